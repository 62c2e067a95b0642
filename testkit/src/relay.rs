//! A TCP relay that can delay, drop, close and reset.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::SockRef;

/// The interval at which the accepting thread checks whether to stop.
const TICK: Duration = Duration::from_millis(5);

/// How a relay treats connections and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// Forwards everything, and delays the server's bytes by this duration.
    Pass(Duration),
    /// Reads everything and forwards nothing.
    Silent,
    /// Accepts connections and closes them at once.
    Close,
    /// Accepts connections and resets them at once.
    Reset,
}

/// A relay that runs until it is dropped.
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
    /// Whether the client is to receive a reset, in which case no FIN may be sent.
    reset: AtomicBool,
}

impl Relay {
    /// Listens on a free port and forwards to `upstream`.
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

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Changes the mode.
    pub fn set(&self, mode: Mode) {
        if let Ok(mut current) = self.shared.mode.lock() {
            *current = mode;
        }
    }

    /// Accepts connections again, after [`Relay::refuse`].
    ///
    /// # Errors
    ///
    /// If the port is in use.
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
            // A panic has already printed its message.
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
    /// Resets the client's connection. A socket with a linger time of zero sends a reset when it is
    /// closed, which happens when both directions have dropped it.
    fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
        // The peer may have closed the connection already.
        let _ = SockRef::from(&self.client).set_linger(Some(Duration::ZERO));
        let _ = self.client.shutdown(Shutdown::Read);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn close(&self) {
        if !self.reset.load(Ordering::Relaxed) {
            // Either may be closed already.
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
                // On an error the client's connection is closed.
                let _ = serve(client, shared);
            }
        }
    }
}

/// Starts forwarding both directions of a connection.
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

/// Forwards bytes, each after the delay in effect when it arrived.
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
