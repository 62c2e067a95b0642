//! A server on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::{Server, ServerHandle, ServerStats};

/// A server that runs on a thread of its own, so that nothing else delays an echo.
///
/// Dropping it stops the server, and blocks until the thread has ended: milliseconds as a rule.
///
/// ```
/// use tcp_echo_server::{Server, ServerConfig};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let running = Server::from_listeners([listener], ServerConfig::default())?.start()?;
/// std::net::TcpStream::connect(running.local_addr())?;
/// drop(running);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunningServer {
    local_addr: SocketAddr,
    stats: Arc<ServerStats>,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    pub(crate) fn start(server: Server) -> io::Result<Self> {
        let (local_addr, stats, handle) = (server.local_addr(), server.stats(), server.handle());
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("echo-server".to_owned())
            .spawn(move || {
                // The receiver may be gone.
                let _ = end.send(server.run_blocking());
            })?;
        Ok(Self {
            local_addr,
            stats,
            handle,
            ended,
            thread: Some(thread),
        })
    }

    /// The address that it listens on, as [`Server::local_addr`].
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counts. They stay readable after the server has ended.
    pub const fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }

    /// A handle to control the server from elsewhere.
    pub const fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// Waits until it has ended, for whatever reason. To be awaited once. Works in any runtime.
    ///
    /// # Errors
    ///
    /// When the system's poller has failed, and when the thread has panicked.
    pub async fn ended(&mut self) -> io::Result<()> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic.
            let _ = thread.join();
        }
    }
}
