//! A relay between client and server that can be told to misbehave.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::SockRef;

/// How often a thread looks whether it should end.
const TICK: Duration = Duration::from_millis(5);

/// What is in force from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manner {
    /// Pass everything on, replies after this time.
    Pass(Duration),
    /// Take everything and pass nothing on.
    Silent,
    /// Accept, and close at once.
    Close,
    /// Accept, and reset at once.
    Reset,
}

/// Relays until dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<thread::JoinHandle<()>>,
}

struct Shared {
    upstream: SocketAddr,
    manner: Mutex<Manner>,
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicU64,
    listening: AtomicBool,
}

impl Relay {
    pub(crate) fn start(upstream: SocketAddr) -> Result<Self> {
        let mut relay = Self {
            address: super::ports::free()?,
            shared: Arc::new(Shared {
                upstream,
                manner: Mutex::new(Manner::Pass(Duration::ZERO)),
                open: Mutex::default(),
                accepted: AtomicU64::new(0),
                listening: AtomicBool::new(false),
            }),
            listener: None,
        };
        relay.listen()?;
        Ok(relay)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, manner: Manner) {
        if let Ok(mut current) = self.shared.manner.lock() {
            *current = manner;
        }
    }

    /// Accepts connections again, after [`Relay::refuse`].
    pub(crate) fn listen(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address)?;
        listener.set_nonblocking(true)?;
        self.shared.listening.store(true, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        self.listener = Some(thread::spawn(move || accept(&listener, &shared)));
        Ok(())
    }

    /// Dies: resets all connections, and refuses new ones.
    pub(crate) fn refuse(&mut self) {
        self.shared.listening.store(false, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It only ends early by a panic, which its own message tells of.
            let _ = listener.join();
        }
        self.reset();
    }

    /// Resets all connections that there are.
    pub(crate) fn reset(&self) {
        self.end_all(reset);
    }

    /// Ends all connections in order.
    pub(crate) fn close(&self) {
        self.end_all(|stream| {
            // One that is gone already needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        });
    }

    fn end_all(&self, end: impl Fn(&TcpStream)) {
        if let Ok(mut open) = self.shared.open.lock() {
            open.drain(..).for_each(|stream| end(&stream));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl Shared {
    fn manner(&self) -> Manner {
        self.manner.lock().map_or(Manner::Silent, |manner| *manner)
    }
}

/// The peer sees a reset, not an end: the last copy of the socket sends it when
/// closed, and `shutdown` lets the threads that hold the others go.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while shared.listening.load(Ordering::Relaxed) {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(TICK);
            continue;
        };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        match shared.manner() {
            Manner::Close => drop(client),
            Manner::Reset => reset(&client),
            Manner::Pass(_) | Manner::Silent => {
                // A peer that is gone by now finds out by itself.
                let _ = serve(client, shared);
            }
        }
    }
}

/// Starts the two directions of a connection.
fn serve(client: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    let server = TcpStream::connect_timeout(&shared.upstream, Duration::from_secs(1))?;
    server.set_nodelay(true)?;
    if let Ok(mut open) = shared.open.lock() {
        open.push(client.try_clone()?);
    }
    let (to_server, from_server) = (server.try_clone()?, server);
    let to_client = client.try_clone()?;
    let towards = Arc::clone(shared);
    thread::spawn(move || forward(client, to_server, &towards, |_| Duration::ZERO));
    let back = Arc::clone(shared);
    thread::spawn(move || {
        forward(from_server, to_client, &back, |manner| match manner {
            Manner::Pass(delay) => delay,
            _ => Duration::ZERO,
        });
    });
    Ok(())
}

/// Passes bytes on, each after the delay in force when it came.
fn forward(mut from: TcpStream, mut to: TcpStream, shared: &Shared, delay: fn(Manner) -> Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (due, bytes) in receive {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let manner = shared.manner();
            if manner == Manner::Silent {
                continue;
            }
            let due = Instant::now() + delay(manner);
            if send.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
        drop(send);
    });
}
