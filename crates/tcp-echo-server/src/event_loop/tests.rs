//! The loop turn by turn, on this thread, with real sockets.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::EventLoop;
use crate::connection::BUFFER;
use crate::{ServerConfig, ServerStats};

/// Far longer than anything takes here.
const LIMIT: Duration = Duration::from_secs(20);

struct Server {
    event_loop: EventLoop,
    address: SocketAddr,
    stats: Arc<ServerStats>,
}

impl Server {
    fn new(config: ServerConfig) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stats = Arc::<ServerStats>::default();
        Self {
            event_loop: EventLoop::new(vec![listener], config, Arc::clone(&stats)).unwrap(),
            address,
            stats,
        }
    }

    /// A turn that does not wait for long.
    fn turn(&mut self) {
        self.event_loop.control.wake();
        self.event_loop.turn().unwrap();
    }

    fn turns_until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < LIMIT, "never: {what}");
            self.turn();
        }
    }

    /// Accepts a peer from an address.
    fn accept(&mut self, from: [u8; 4]) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&self.address.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        let connections = self.stats.connections();
        self.turns_until("accepted", |server| {
            server.stats.connections() > connections
        });
        socket.into()
    }
}

/// What has come back.
fn read(peer: &mut TcpStream) -> Vec<u8> {
    let mut back = vec![0; 64 * BUFFER];
    match peer.read(&mut back) {
        Ok(read) => back.truncate(read),
        Err(error) if error.kind() == ErrorKind::WouldBlock => back.clear(),
        Err(error) => panic!("{error}"),
    }
    back
}

// Elsewhere 127.0.0.2 is no address of the host.
#[cfg(target_os = "linux")]
#[test]
fn a_client_with_many_connections_delays_another_one_by_few_echoes() {
    const CROWD: u64 = 300;
    const FRAME: [u8; 16] = [7; 16];
    let mut server = Server::new(ServerConfig::default());
    let mut good = server.accept([127, 0, 0, 1]);
    let mut crowd: Vec<_> = (0..CROWD).map(|_| server.accept([127, 0, 0, 2])).collect();
    let echoes = |server: &Server| server.stats.echoed_bytes() / FRAME.len() as u64;

    for peer in &mut crowd {
        peer.write_all(&FRAME).unwrap();
    }
    // The loop knows of them all before the good one has anything.
    server.turn();
    assert!(echoes(&server) < CROWD / 2);
    let before = echoes(&server);
    good.write_all(&FRAME).unwrap();
    let mut back = Vec::new();
    server.turns_until("the probe's echo", |_| {
        back.extend(read(&mut good));
        back.len() == FRAME.len()
    });
    let meanwhile = echoes(&server) - before;
    assert!(meanwhile <= 2 * super::QUANTUM as u64, "{meanwhile} echoes");

    // Nor does the crowd go without.
    server.turns_until("all echoed", |server| echoes(server) == CROWD + 1);
    assert!(crowd.iter_mut().all(|peer| read(peer) == FRAME));
}

#[test]
fn few_bytes_go_before_many() {
    let mut server = Server::new(ServerConfig::default());
    let mut heavy: Vec<_> = (0..20).map(|_| server.accept([127, 0, 0, 1])).collect();
    let mut light = server.accept([127, 0, 0, 1]);
    // It fits into any socket's buffer.
    let flood = vec![1; 32 * BUFFER];
    for peer in &mut heavy {
        peer.write_all(&flood).unwrap();
    }
    // Each has its first piece, and then they are known to have more.
    server.turns_until("heavy", |server| {
        server.event_loop.heavy.len() == heavy.len()
    });
    let before = server.stats.echoed_bytes();
    light.write_all(b"few").unwrap();
    let mut back = Vec::new();
    server.turns_until("the few", |_| {
        back.extend(read(&mut light));
        back == b"few"
    });
    // One of them has its turn, or a second one where the bytes had not yet arrived.
    let meanwhile = server.stats.echoed_bytes() - before;
    assert!(meanwhile < (2 * 4 * BUFFER) as u64 + 4, "{meanwhile} bytes");

    let mut left: Vec<_> = heavy.iter().map(|_| flood.len()).collect();
    server.turns_until("all echoed", |_| {
        for (peer, left) in heavy.iter_mut().zip(&mut left) {
            *left -= read(peer).len();
        }
        left.iter().all(|left| *left == 0)
    });
    // A last look finds that there is nothing more.
    server.turns_until("no more of it", |server| server.event_loop.heavy.is_empty());
}

/// One that sends much again and again is known by what it sent before.
#[test]
fn few_bytes_go_before_many_that_come_again() {
    const PIECE: usize = 4 * BUFFER;
    let mut server = Server::new(ServerConfig::default());
    let mut heavy: Vec<_> = (0..20).map(|_| server.accept([127, 0, 0, 1])).collect();
    let mut light = server.accept([127, 0, 0, 1]);
    let mut sent = 0;
    for _ in 0..2 {
        for peer in &mut heavy {
            peer.write_all(&[1; PIECE]).unwrap();
            sent += PIECE as u64;
        }
        server.turns_until("all of it", |server| server.stats.echoed_bytes() == sent);
        server.turns_until("no more of it", |server| server.event_loop.heavy.is_empty());
        for peer in &mut heavy {
            let mut left = PIECE;
            server.turns_until("all back", |_| {
                left -= read(peer).len();
                left == 0
            });
        }
    }
    for peer in &mut heavy {
        peer.write_all(&[1; PIECE]).unwrap();
    }
    light.write_all(b"few").unwrap();
    let mut back = Vec::new();
    server.turns_until("the few", |_| {
        back.extend(read(&mut light));
        back == b"few"
    });
    let meanwhile = server.stats.echoed_bytes() - sent;
    assert!(meanwhile <= 2 * PIECE as u64 + 3, "{meanwhile} bytes");
}

#[test]
fn no_more_is_kept_than_one_buffer() {
    let mut server = Server::new(ServerConfig::default());
    let mut peer = server.accept([127, 0, 0, 1]);
    let mut written = 0;
    let mut full = 0;
    // Full on both ways, for as long as the peer does not read.
    while full < 100 {
        match peer.write(&[1; BUFFER]) {
            Ok(more) => (written, full) = (written + more, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => full += 1,
            Err(error) => panic!("{error}"),
        }
        server.turn();
        for (_, connection) in &server.event_loop.connections {
            assert!(connection.unsent_len() <= BUFFER);
        }
    }
    assert!(
        server
            .event_loop
            .connections
            .iter()
            .any(|(_, one)| one.is_blocked())
    );
    // Nothing is lost of it.
    let mut back = 0;
    server.turns_until("all is back", |_| {
        back += read(&mut peer).len();
        back == written
    });
    assert!(
        !server
            .event_loop
            .connections
            .iter()
            .any(|(_, one)| one.is_blocked())
    );
}

#[test]
fn deadlines_are_kept_for_open_connections_alone() {
    let mut server = Server::new(ServerConfig::default());
    for _ in 0..3 {
        let peer = server.accept([127, 0, 0, 1]);
        assert!(server.event_loop.deadlines.next().is_some());
        drop(peer);
        server.turns_until("closed", |server| server.stats.connections() == 0);
        assert!(server.event_loop.deadlines.next().is_none());
    }
    assert_eq!(server.stats.accepted(), 3);
}
