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

/// How much a client that floods tries to send at once.
const PIECE: usize = 16 * 1024;
/// What each of their sockets may hold, or ten thousand take gigabytes of the kernel.
const SOCKET: usize = 16 * 1024;
/// Bytes a second of all together: half of a gigabit link. They share this host's processors
/// with those who are measured; with more, it is the kernel's own work for both ends that shows.
const RATE: f64 = 62.5e6;
/// How often it is looked whether there is room for more.
const PAUSE: Duration = Duration::from_micros(100);

/// Connections that carry nothing yet.
pub(super) struct Connections(Vec<TcpStream>);

/// Connections that send all that the link takes, until this is dropped.
pub(super) struct Flood {
    ending: Arc<AtomicBool>,
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
            socket.set_send_buffer_size(SOCKET)?;
            socket.set_recv_buffer_size(SOCKET)?;
            Ok(stream)
        };
        Ok(Self((0..number).map(connect).collect::<Result<_>>()?))
    }

    /// Half of them read what comes back; the others never do.
    pub(super) fn flood(self) -> Result<Flood> {
        let clients = self.0.into_iter().zip(0_usize..);
        let clients = clients.map(|(stream, n)| Client {
            stream,
            reads: n.is_multiple_of(2),
        });
        let clients = clients.collect();
        let ending = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ending);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            // They stand for other hosts: what they do should not take this one's processors from
            // those who are measured. On Linux this is of the thread alone.
            let _ = ready.send(setpriority_process(None, 19));
            flood(clients, &until);
        });
        is_ready
            .recv()
            .map_err(|_| anyhow!("the flood has ended"))?
            .context("lower the flood's priority")?;
        Ok(Flood {
            ending,
            thread: Some(thread),
        })
    }
}

fn flood(mut clients: Vec<Client>, ending: &AtomicBool) {
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
    while !ending.load(Ordering::Relaxed) {
        clients.retain_mut(|Client { stream, reads }| {
            ending.load(Ordering::Relaxed)
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
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
