//! An echo peer that loses and delays replies and disconnects.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

const TICK: Duration = Duration::from_millis(5);
/// One in this many probes is not answered.
const DROP_EVERY: usize = 10;
/// One in this many probes is answered late.
const DELAY_EVERY: usize = 7;
/// The delay of late replies.
const DELAY: Duration = Duration::from_millis(300);
/// The connection is closed after this many probes.
const PROBES_PER_CONNECTION: usize = 150;

/// A peer that runs until it is dropped.
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
                    // It serves until the prober exits, which is before this is dropped.
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
            // A panic has already printed its message.
            let _ = listener.join();
        }
    }
}

/// Delayed replies are sent when the next probe arrives, which is soon enough at the rates of
/// this test.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let mut delayed: VecDeque<(Instant, [u8; 16])> = VecDeque::new();
    for count in 1..=PROBES_PER_CONNECTION {
        let mut probe = [0; 16];
        stream.read_exact(&mut probe)?;
        while let Some((_, reply)) = delayed.front().filter(|(due, _)| *due <= Instant::now()) {
            stream.write_all(reply)?;
            delayed.pop_front();
        }
        if count % DELAY_EVERY == 0 {
            delayed.push_back((Instant::now() + DELAY, probe));
        } else if count % DROP_EVERY != 0 {
            stream.write_all(&probe)?;
        }
    }
    Ok(())
}
