//! A service manager's socket.

use std::io;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use testkit::http;

use crate::program::{LIMIT, Program, binary, echo};

/// A manager's socket with as much in it as it takes.
fn full() -> (tempfile::TempDir, UnixDatagram) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    loop {
        match sender.send_to(b"full", &path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    (folder, socket)
}

fn start(folder: &tempfile::TempDir) -> Program {
    Program::start(
        binary()
            .args([
                "-svc=run",
                "-mode=both",
                "-listen=127.0.0.1:0",
                "-interval=10ms",
            ])
            .arg(format!("-target={}", echo()))
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .env("WATCHDOG_USEC", "60000"),
    )
}

#[test]
fn a_manager_that_does_not_read_holds_up_nothing() {
    let (folder, _socket) = full();
    let mut program = start(&folder);
    // Long enough for more signs of life than are kept for it.
    program.wait_for("tcp_echo_received_total", 100.0);
    let ready = http::get(program.metrics, "/-/ready").unwrap();
    assert!(ready.ends_with("ready\n"));
    assert_eq!(program.end_by(Signal::TERM), Some(0));
}

#[test]
fn a_manager_that_reads_late_hears_that_it_is_ready() {
    let (folder, socket) = full();
    let mut program = start(&folder);
    program.wait_for("tcp_echo_received_total", 10.0);
    let mut bytes = [0; 4096];
    let mut next = || {
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let heard = std::iter::repeat_with(&mut next).find(|message| message != "full");
    assert!(heard.unwrap().starts_with("READY=1\n"));
    program.signal(Signal::TERM);
    let last = std::iter::repeat_with(next).find(|message| message != "WATCHDOG=1\n");
    assert_eq!(last.as_deref(), Some("STOPPING=1\n"));
}
