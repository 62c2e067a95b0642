//! What a service manager and the program tell each other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use crate::running::{ANYWHERE, LIMIT, Running, binary};

/// A socket for the messages of a service.
fn listening() -> (tempfile::TempDir, UnixDatagram) {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    (folder, socket)
}

fn message(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn its_manager_hears_when_it_is_ready_lives_and_ends() {
    let (folder, socket) = listening();
    let mut running = Running::start(
        binary()
            .args(ANYWHERE)
            .args(["-svc=run", "-mode=both", "-target=127.0.0.1:9"])
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .env("WATCHDOG_USEC", "150000"),
    );
    let metrics = running.address("metrics endpoint listens");
    let ready = message(&socket);
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    assert!(
        ready.contains("STATUS=") && ready.contains(&metrics.to_string()),
        "{ready}"
    );
    // Its only target is dead, and that is no reason to kill the messenger.
    for _ in 0..5 {
        assert_eq!(message(&socket), "WATCHDOG=1\n");
    }
    running.signal("TERM");
    let rest = std::iter::repeat_with(|| message(&socket)).find(|text| text != "WATCHDOG=1\n");
    assert_eq!(rest.as_deref(), Some("STOPPING=1\n"));
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn without_a_watchdog_no_signs_are_given() {
    let (folder, socket) = listening();
    let mut running = Running::start(
        binary()
            .args(ANYWHERE)
            .env("NOTIFY_SOCKET", folder.path().join("notify")),
    );
    assert!(message(&socket).starts_with("READY=1\n"));
    running.signal("INT");
    assert_eq!(message(&socket), "STOPPING=1\n");
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn a_hangup_does_not_end_it() {
    let mut running = Running::start(binary().args(ANYWHERE));
    let metrics = running.address("metrics endpoint listens");
    for _ in 0..2 {
        running.signal("HUP");
        let mut stream = TcpStream::connect(metrics).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
            .write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("healthy\n"), "{answer}");
    }
    assert!(running.child.try_wait().unwrap().is_none());
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0));
}
