//! A process that was paused for longer than it waits for anything.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::wait::until;

use super::{TIMEOUT, client, count, finish, report};

/// An attempt to connect is given up after this.
const ATTEMPT: Duration = Duration::from_millis(500);

/// A listener with room for one connection that nobody has accepted yet, and that one.
fn full() -> (TcpListener, SocketAddr, TcpStream) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    socket.set_nonblocking(true).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (listener, address, TcpStream::connect(address).unwrap())
}

fn accept(listener: &TcpListener) -> TcpStream {
    let accepted = until("a connection", TIMEOUT, || match listener.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    });
    let (stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

/// Whether somebody waits for this listener's answer.
fn is_awaited(address: SocketAddr) -> bool {
    const SYN_SENT: &str = "02";
    let port = format!(":{:04X}", address.port());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let peer = fields.next().is_some_and(|peer| peer.ends_with(&port));
        peer && fields.next() == Some(SYN_SENT)
    })
}

#[test]
fn a_handshake_that_ended_in_a_pause_is_taken() {
    let (listener, address, _in_its_way) = full();
    let target = address.to_string();
    let slots = ["-interval", "20ms", "-timeout", "100ms", "-count", "100"];
    let args = [&["-target", &target, "-output", "json"], &slots[..]].concat();
    let child = client(&args).spawn().unwrap();
    let attempt = || is_awaited(address).then_some(());
    until("an attempt", TIMEOUT, attempt).unwrap();
    let paused = Instant::now();
    kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
    let _in_its_way = accept(&listener);
    // The kernel asks again, a second after it asked first, and now there is room.
    let mut stream = accept(&listener);
    thread::sleep(ATTEMPT.saturating_sub(paused.elapsed()));
    kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
    let peer = thread::spawn(move || {
        let mut frame = [0; 16];
        while stream.read_exact(&mut frame).is_ok() && stream.write_all(&frame).is_ok() {}
    });
    let report = report(&finish(child));
    peer.join().unwrap();
    let target = &report["targets"][0];
    assert_eq!(target["connect_failures_by_reason"]["timeout"], 0);
    assert_eq!(count(target, "connects"), 1);
    assert!(count(target, "received") > 0, "{target}");
}
