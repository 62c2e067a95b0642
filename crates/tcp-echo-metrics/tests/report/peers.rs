//! Peers of every kind, on loopback.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tcp_echo_prober::Seq;

/// What a peer does with a frame.
#[derive(Clone, Copy)]
pub(crate) enum Behavior {
    /// Sends it back.
    Echo,
    /// Sends it back after a while.
    After(Duration),
    /// Keeps it.
    Silent,
    /// Sends it back twice.
    Twice,
}

/// A peer, and word of each frame that it has got.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    frames: mpsc::Receiver<Seq>,
}

impl Peer {
    /// Listens. Its threads end with the process of the tests.
    pub(crate) fn new(behavior: Behavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, frames) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let got = got.clone();
                thread::spawn(move || serve(stream.unwrap(), behavior, &got));
            }
        });
        Self { address, frames }
    }

    /// The number of frames that it has got since the last call.
    pub(crate) fn frames(&self) -> usize {
        self.frames.try_iter().count()
    }

    /// Waits until it has got so many probes more.
    pub(crate) fn wait_for(&self, probes: usize) {
        for _ in 0..probes {
            let next = || self.frames.recv_timeout(Duration::from_secs(30)).unwrap();
            while next().is_control() {}
        }
    }
}

fn serve(mut stream: TcpStream, behavior: Behavior, got: &mpsc::Sender<Seq>) {
    stream.set_nodelay(true).unwrap();
    let mut frame = [0; 16];
    while stream.read_exact(&mut frame).is_ok() {
        // Tests that don't wait for frames have dropped the other end.
        let [seq @ .., _, _, _, _, _, _, _, _] = frame;
        let _ = got.send(Seq(u64::from_le_bytes(seq)));
        let reply = |mut stream: &TcpStream| stream.write_all(&frame);
        let replied = match behavior {
            Behavior::Silent => Ok(()),
            Behavior::Echo => reply(&stream),
            Behavior::Twice => reply(&stream).and_then(|()| reply(&stream)),
            Behavior::After(while_) => {
                let mut stream = stream.try_clone().unwrap();
                thread::spawn(move || {
                    thread::sleep(while_);
                    let _ = stream.write_all(&frame);
                });
                Ok(())
            }
        };
        if replied.is_err() {
            return;
        }
    }
}

/// An address at which nobody listens: its port is taken, by one who doesn't listen.
pub(crate) struct Nobody(socket2::Socket);

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&address.into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}
