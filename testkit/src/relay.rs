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
    open: Mutex<Vec<Arc<Connection>>>,
    accepted: AtomicU64,
    listening: AtomicBool,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// The client is to see a reset: nobody may send it an end.
    reset: AtomicBool,
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
        self.end_all(Connection::reset);
    }

    /// Ends all connections in order.
    pub(crate) fn close(&self) {
        self.end_all(Connection::close);
    }

    fn end_all(&self, end: fn(&Connection)) {
        if let Ok(mut open) = self.shared.open.lock() {
            open.drain(..).for_each(|connection| end(&connection));
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

impl Connection {
    /// Closed with no time to linger, the client's socket sends a reset; it is
    /// closed when both directions have let it go.
    fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
        // A peer that is gone already needs no reset.
        let _ = SockRef::from(&self.client).set_linger(Some(Duration::ZERO));
        let _ = self.client.shutdown(Shutdown::Read);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn close(&self) {
        if !self.reset.load(Ordering::Relaxed) {
            // One that is gone already needs no end.
            let _ = self.client.shutdown(Shutdown::Both);
            let _ = self.server.shutdown(Shutdown::Both);
        }
    }
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
            Manner::Reset => {
                let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            }
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
    let connection = Arc::new(Connection {
        client,
        server,
        reset: AtomicBool::new(false),
    });
    if let Ok(mut open) = shared.open.lock() {
        open.push(Arc::clone(&connection));
    }
    let (shared, back) = (Arc::clone(shared), Arc::clone(&connection));
    let shared_back = Arc::clone(&shared);
    thread::spawn(move || {
        forward(&connection.client, &connection.server, &shared, |_| {
            Duration::ZERO
        });
        connection.close();
    });
    thread::spawn(move || {
        forward(
            &back.server,
            &back.client,
            &shared_back,
            |manner| match manner {
                Manner::Pass(delay) => delay,
                _ => Duration::ZERO,
            },
        );
        back.close();
    });
    Ok(())
}

/// Passes bytes on, each after the delay in force when it came.
fn forward(
    mut from: &TcpStream,
    mut to: &TcpStream,
    shared: &Shared,
    delay: fn(Manner) -> Duration,
) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for (due, bytes) in receive {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
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
