//! A relay between a client and a server that delays, drops or breaks on request.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::SockRef;

/// How often the accepting thread checks whether to end.
const TICK: Duration = Duration::from_millis(5);

/// What a relay does with connections and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Forwards everything, replies after this delay.
    Pass(Duration),
    /// Reads everything and forwards nothing.
    Silent,
    /// Accepts, and closes at once.
    Close,
    /// Accepts, and resets at once.
    Reset,
}

/// Relays until dropped.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<thread::JoinHandle<()>>,
}

struct Shared {
    upstream: SocketAddr,
    mode: Mutex<Mode>,
    open: Mutex<Vec<Arc<Connection>>>,
    accepted: AtomicU64,
    listening: AtomicBool,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// The client is to see a reset, so no FIN may be sent.
    reset: AtomicBool,
}

impl Relay {
    /// Listens at a free port, and forwards to `upstream`.
    ///
    /// # Errors
    ///
    /// If it can't listen.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let mut relay = Self {
            address: super::ports::free()?,
            shared: Arc::new(Shared {
                upstream,
                mode: Mutex::new(Mode::Pass(Duration::ZERO)),
                open: Mutex::default(),
                accepted: AtomicU64::new(0),
                listening: AtomicBool::new(false),
            }),
            listener: None,
        };
        relay.listen()?;
        Ok(relay)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Changes what it does from now on.
    pub fn set(&self, mode: Mode) {
        if let Ok(mut current) = self.shared.mode.lock() {
            *current = mode;
        }
    }

    /// Accepts connections again, after [`Relay::refuse`].
    ///
    /// # Errors
    ///
    /// If its port is taken by now.
    pub fn listen(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address)?;
        listener.set_nonblocking(true)?;
        self.shared.listening.store(true, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        self.listener = Some(thread::spawn(move || accept(&listener, &shared)));
        Ok(())
    }

    /// Resets all connections, and refuses new ones.
    pub fn refuse(&mut self) {
        self.shared.listening.store(false, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            // It ends early only by a panic, which has a message of its own.
            let _ = listener.join();
        }
        self.reset();
    }

    /// Resets all connections.
    pub fn reset(&self) {
        self.end_all(Connection::reset);
    }

    /// Closes all connections.
    pub fn close(&self) {
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
    fn mode(&self) -> Mode {
        self.mode.lock().map_or(Mode::Silent, |mode| *mode)
    }
}

impl Connection {
    /// A socket without linger time sends a reset when it is closed, which is when both
    /// directions have dropped it.
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
        match shared.mode() {
            Mode::Close => drop(client),
            Mode::Reset => {
                let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            }
            Mode::Pass(_) | Mode::Silent => {
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
            |mode| match mode {
                Mode::Pass(delay) => delay,
                _ => Duration::ZERO,
            },
        );
        back.close();
    });
    Ok(())
}

/// Forwards bytes, each after the delay that was set when it arrived.
fn forward(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared, delay: fn(Mode) -> Duration) {
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
            let mode = shared.mode();
            if mode == Mode::Silent {
                continue;
            }
            let due = Instant::now() + delay(mode);
            if send.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
        drop(send);
    });
}
