//! Sockets that a service manager hands down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::running::{ANYWHERE, LIMIT, Running, binary};

/// A shell that hands up to two listeners down by systemd's rules, from its standard
/// input and output, and becomes the program.
fn handed_down(listeners: &[&TcpListener], names: &str) -> Command {
    let handed = |place: usize| match listeners.get(place) {
        Some(listener) => Stdio::from(OwnedFd::from(listener.try_clone().unwrap())),
        None => Stdio::null(),
    };
    let files = ["", "3<&0", "3<&0 4<&1"][listeners.len()];
    let script =
        format!("exec {files} </dev/null >/dev/null; LISTEN_PID=${{PID:-$$}} exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command
        .env_clear()
        .env("LISTEN_FDS", listeners.len().to_string())
        .env("LISTEN_FDNAMES", names)
        .args(["-c", &script])
        .arg(binary().get_program())
        .stdin(handed(0))
        .stdout(handed(1));
    command
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn sockets_that_are_handed_down_are_used_by_their_names() {
    let (metrics, echo) = (listener(), listener());
    let addresses = [&metrics, &echo].map(|one| one.local_addr().unwrap());
    let mut running = Running::start(
        handed_down(&[&metrics, &echo], "metrics:echo")
            // Nobody may listen there, so this is where it must not try to.
            .args(["-listen=192.0.2.1:1", "-metrics=192.0.2.1:2"]),
    );
    assert_eq!(running.address("echo server listens"), addresses[1]);
    assert_eq!(running.address("metrics endpoint listens"), addresses[0]);
    let mut stream = TcpStream::connect(addresses[1]).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
    let mut stream = TcpStream::connect(addresses[0]).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("tcp_echo_server_accepted_total 1"),
        "{answer}"
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn sockets_that_are_of_no_use_end_it_at_its_start() {
    let one = listener();
    for (names, error) in [
        ("tcp-echo.socket", "FileDescriptorName=echo"),
        ("echo:metrics", "LISTEN_FDNAMES"),
    ] {
        let output = handed_down(&[&one], names).args(ANYWHERE).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(error), "{text}");
    }
    // A file that isn't there.
    let output = handed_down(&[], "echo")
        .env("LISTEN_FDS", "1")
        .args(ANYWHERE)
        .output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(text.contains("cannot use the passed socket echo"), "{text}");
}

#[test]
fn sockets_for_somebody_else_are_not_taken() {
    let one = listener();
    let mut command = handed_down(&[&one], "echo");
    let running = Running::start(command.args(ANYWHERE).env("PID", "1"));
    let address = running.address("echo server listens");
    assert_ne!(address, one.local_addr().unwrap());
}
