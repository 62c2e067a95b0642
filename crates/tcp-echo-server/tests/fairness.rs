//! A client with many busy connections beside one with a single connection.
//!
//! Elsewhere than on Linux 127.0.0.2 is no address of the host.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};
use tcp_echo_server::{Server, ServerConfig};

const CROWD: usize = 900;
const FRAME: [u8; 16] = [7; 16];
const PROBES: usize = 400;

#[cfg(test)]
fn connect(server: SocketAddr) -> mio::net::TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let local = SocketAddr::from(([127, 0, 0, 2], 0));
    socket.bind(&local.into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    mio::net::TcpStream::from_std(socket.into())
}

/// Each connection sends a frame, and the next one as soon as that is back.
#[cfg(test)]
fn closed_loop(mut crowd: Vec<mio::net::TcpStream>, is_ending: &AtomicBool) {
    let mut poll = Poll::new().unwrap();
    for (n, stream) in crowd.iter_mut().enumerate() {
        let registry = poll.registry();
        registry
            .register(stream, Token(n), Interest::READABLE)
            .unwrap();
        stream.write_all(&FRAME).unwrap();
    }
    let mut events = Events::with_capacity(CROWD);
    while !is_ending.load(Ordering::Relaxed) {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            let stream = &mut crowd[event.token().0];
            // A frame of 16 bytes on loopback comes whole.
            stream.read_exact(&mut [0; FRAME.len()]).unwrap();
            stream.write_all(&FRAME).unwrap();
        }
    }
}

/// Counts what the server echoes to the crowd while a probe is on its way, which does not depend
/// on how fast the machine is. Other programs on it only ever add to that, hence the quartile.
#[test]
fn a_probe_waits_for_few_echoes_of_a_busy_crowd() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::from_listeners([listener], ServerConfig::default()).unwrap();
    let (address, stats, handle) = (server.local_addr(), server.stats(), server.handle());
    let serving = thread::spawn(|| server.run_blocking());
    let is_ending = Arc::new(AtomicBool::new(false));
    let crowd: Vec<_> = (0..CROWD).map(|_| connect(address)).collect();
    let flooding = thread::spawn({
        let is_ending = Arc::clone(&is_ending);
        move || closed_loop(crowd, &is_ending)
    });
    let mut good = TcpStream::connect(address).unwrap();
    good.set_nodelay(true).unwrap();
    let echoes = || stats.echoed_bytes() / FRAME.len() as u64;
    let mut probe = || {
        let before = echoes();
        good.write_all(&FRAME).unwrap();
        good.read_exact(&mut [0; FRAME.len()]).unwrap();
        echoes() - before
    };
    // Until every connection of the crowd sends.
    while echoes() < 10 * CROWD as u64 {
        probe();
    }
    let mut waited: Vec<_> = (0..PROBES).map(|_| probe()).collect();
    waited.sort_unstable();
    let [quartile, median] = [PROBES / 4, PROBES / 2].map(|n| waited[n]);
    println!("echoes meanwhile: a quarter within {quartile}, half within {median}");

    is_ending.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
    handle.stop();
    serving.join().unwrap().unwrap();
    assert!(quartile <= CROWD as u64 / 20, "{quartile} echoes");
}
