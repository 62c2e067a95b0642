//! Many connections to one server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::setpriority_process;
use socket2::SockRef;

/// The size of each write of a flooding client.
const PIECE: usize = 16 * 1024;
/// The size of the socket buffers; with the default, ten thousand sockets would take gigabytes.
const SOCKET_BUFFER: usize = 16 * 1024;
/// The total rate in bytes per second: half of a gigabit link. The clients share the CPUs with the
/// prober; a higher rate would measure the kernel's work for both ends.
const RATE: f64 = 62.5e6;
/// The pause before checking the rate again.
const PAUSE: Duration = Duration::from_micros(100);

/// Idle connections.
pub(super) struct Connections(Vec<TcpStream>);

/// Connections that send at full rate until this is dropped.
pub(super) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Client {
    stream: TcpStream,
    reads: bool,
}

impl Connections {
    pub(super) fn connect(server: SocketAddr, number: usize) -> Result<Self> {
        let connect = |n| {
            let stream = TcpStream::connect_timeout(&server, Duration::from_secs(2))
                .with_context(|| format!("connection {n}"))?;
            stream.set_nonblocking(true)?;
            let socket = SockRef::from(&stream);
            socket.set_send_buffer_size(SOCKET_BUFFER)?;
            socket.set_recv_buffer_size(SOCKET_BUFFER)?;
            Ok(stream)
        };
        Ok(Self((0..number).map(connect).collect::<Result<_>>()?))
    }

    /// Starts sending. Half of the clients read the echoes, the others never do.
    pub(super) fn flood(self) -> Result<Flood> {
        let clients = self.0.into_iter().zip(0_usize..);
        let clients = clients.map(|(stream, n)| Client {
            stream,
            reads: n.is_multiple_of(2),
        });
        let clients = clients.collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            // The clients stand for other hosts, so they must not take CPU time from the prober and the
            // server. On Linux, the priority is that of the thread.
            let _ = ready.send(setpriority_process(None, 19));
            flood(clients, &stopped);
        });
        is_ready
            .recv()
            .map_err(|_| anyhow!("the flooding thread ended"))?
            .context("lower the flood's priority")?;
        Ok(Flood {
            stop,
            thread: Some(thread),
        })
    }
}

fn flood(mut clients: Vec<Client>, stop: &AtomicBool) {
    let piece = [0x5a; PIECE];
    let mut back = [0; PIECE];
    let start = Instant::now();
    let mut written = 0;
    let mut send = |stream: &mut TcpStream| {
        while written as f64 > RATE * start.elapsed().as_secs_f64() {
            thread::sleep(PAUSE);
        }
        let wrote = stream.write(&piece);
        written += wrote.as_ref().copied().unwrap_or_default();
        is_open(wrote)
    };
    while !stop.load(Ordering::Relaxed) {
        clients.retain_mut(|Client { stream, reads }| {
            stop.load(Ordering::Relaxed)
                || send(stream) && (!*reads || is_open(stream.read(&mut back)))
        });
    }
}

fn is_open(result: std::io::Result<usize>) -> bool {
    match result {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
