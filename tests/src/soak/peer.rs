//! A peer that answers a hello and one probe and ends the connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use socket2::SockRef;

/// The number of connections served at the same time.
const THREADS: usize = 16;
const LIMIT: Duration = Duration::from_millis(500);

pub(super) struct Peer {
    pub(super) port: u16,
    ended: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    /// Listens on all loopback addresses, since the ephemeral ports for one would run out.
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        let (ended, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let (listener, ended, stop) = (listener.try_clone()?, ended.clone(), stop.clone());
            threads.push(thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let number = ended.fetch_add(1, Ordering::Relaxed);
                    // The prober may have closed the connection.
                    let _ = answer(stream, number.is_multiple_of(2));
                }
            }));
        }
        Ok(Self {
            port,
            ended,
            stop,
            threads,
        })
    }

    /// Returns the number of connections that it has ended or is about to end.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

fn answer(mut stream: TcpStream, reset: bool) -> Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut frame = [0; 16];
    for _ in 0..2 {
        stream.read_exact(&mut frame)?;
        stream.write_all(&frame)?;
    }
    if reset {
        // A reset right after the reply could discard it.
        thread::sleep(Duration::from_millis(1));
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(())
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for _ in 0..THREADS {
            // Wake up one accept call.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
