//! Many connections from one address, each of which sends a probe when the previous one is echoed.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::process::setpriority_process;
use socket2::{Domain, Socket, Type};

const FRAME: [u8; 16] = [7; 16];
const LIMIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// Connections in a closed loop that runs until this is dropped.
pub(super) struct ClosedLoop {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    echoes: AtomicU64,
    stop: AtomicBool,
}

struct Load {
    poll: OwnedFd,
    streams: Vec<TcpStream>,
}

impl ClosedLoop {
    pub(super) fn start(server: SocketAddr, from: [u8; 4], connections: usize) -> Result<Self> {
        let mut load = Load::connect(server, from, connections)?;
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // The load stands for another host, as in the flood.
                let _ = setpriority_process(None, 19);
                // It returns an error only if the server exits, and then the scenario fails.
                let _ = load.run(&shared);
            }
        });
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Returns the number of frames echoed.
    pub(super) fn echoes(&self) -> u64 {
        self.shared.echoes.load(Ordering::Relaxed)
    }
}

impl Drop for ClosedLoop {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Load {
    fn connect(server: SocketAddr, from: [u8; 4], connections: usize) -> Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connect = |n: usize| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((from, 0)).into())?;
            socket
                .connect(&server.into())
                .with_context(|| format!("connection {n}"))?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            epoll::add(&poll, &socket, EventData::new_u64(n as u64), EventFlags::IN)?;
            Ok(TcpStream::from(socket))
        };
        let streams = (0..connections).map(connect).collect::<Result<_>>()?;
        Ok(Self { poll, streams })
    }

    fn run(&mut self, shared: &Shared) -> io::Result<()> {
        for stream in &mut self.streams {
            stream.write_all(&FRAME)?;
        }
        let mut events = [MaybeUninit::<Event>::uninit(); 1024];
        while !shared.stop.load(Ordering::Relaxed) {
            let (events, _) = epoll::wait(&self.poll, &mut events, Some(&LIMIT))?;
            for event in events {
                let n = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
                let stream = &mut self.streams[n];
                match stream.read(&mut FRAME.clone()) {
                    // Sixteen bytes over loopback arrive in one piece.
                    Ok(16) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
                    Err(error) => return Err(error),
                }
                shared.echoes.fetch_add(1, Ordering::Relaxed);
                stream.write_all(&FRAME)?;
            }
        }
        Ok(())
    }
}
