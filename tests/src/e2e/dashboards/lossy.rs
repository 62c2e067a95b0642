//! A peer that is not well.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

const TICK: Duration = Duration::from_millis(5);
/// Of so many probes it answers all but one.
const DROPPED: usize = 10;
/// Of so many probes it answers one late.
const LATE: usize = 7;
/// How late.
const DELAY: Duration = Duration::from_millis(300);
/// After so many probes it closes the connection.
const LAST: usize = 150;

/// Echoes until dropped, and loses, delays and disconnects.
pub(super) struct LossyPeer {
    pub(super) address: SocketAddr,
    stop: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl LossyPeer {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let listener = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    // It serves until the prober is gone, which is before this is dropped.
                    Ok((stream, _)) => drop(thread::spawn(move || serve(stream))),
                    Err(_) => thread::sleep(TICK),
                }
            }
        });
        Ok(Self {
            address,
            stop,
            listener: Some(listener),
        })
    }
}

impl Drop for LossyPeer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It only ends early by a panic, which its own message tells of.
            let _ = listener.join();
        }
    }
}

/// Held replies go out with the next probe that comes: at the rates of a test that
/// is soon enough.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let mut held: VecDeque<(Instant, [u8; 16])> = VecDeque::new();
    for count in 1..=LAST {
        let mut probe = [0; 16];
        stream.read_exact(&mut probe)?;
        while let Some((_, reply)) = held.front().filter(|(due, _)| *due <= Instant::now()) {
            stream.write_all(reply)?;
            held.pop_front();
        }
        if count % LATE == 0 {
            held.push_back((Instant::now() + DELAY, probe));
        } else if count % DROPPED != 0 {
            stream.write_all(&probe)?;
        }
    }
    Ok(())
}
