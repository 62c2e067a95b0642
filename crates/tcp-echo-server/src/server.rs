//! Binding and running a server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;

use tcp_echo_net::listen;

use crate::event_loop::EventLoop;
use crate::running::RunningServer;
use crate::{Address, BindError, ServerConfig, ServerHandle, ServerStats};

/// A bound echo server, ready to [`run`](Self::run).
///
/// The system already accepts connections; they are served once it runs.
#[derive(Debug)]
pub struct Server {
    event_loop: EventLoop,
    local_addr: SocketAddr,
    stats: Arc<ServerStats>,
}

impl Server {
    /// Listens on `address`. Needs a tokio runtime, which looks names up.
    ///
    /// An address without a host, such as `:4000`, is every address of this host, public ones
    /// included. To restrict the clients, listen on the address of one network, or set
    /// [`ServerConfig::allow`].
    ///
    /// # Errors
    ///
    /// [`BindError`], which names the address.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn bind(address: &Address, config: ServerConfig) -> Result<Self, BindError> {
        let listeners = listen(address).await?;
        Self::new(listeners, config).map_err(|source| BindError::Listen {
            address: address.clone(),
            source,
        })
    }

    /// Serves listeners that are open already, such as sockets from a service manager.
    ///
    /// # Errors
    ///
    /// Without any listener, and when the system refuses one of them.
    ///
    /// ```
    /// use tcp_echo_server::{Server, ServerConfig};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = Server::from_listeners([listener], ServerConfig::default())?;
    /// assert_eq!(server.local_addr(), address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_listeners(
        listeners: impl IntoIterator<Item = TcpListener>,
        config: ServerConfig,
    ) -> io::Result<Self> {
        Self::new(listeners.into_iter().collect(), config)
    }

    fn new(listeners: Vec<TcpListener>, config: ServerConfig) -> io::Result<Self> {
        let first = listeners.first().ok_or(io::ErrorKind::InvalidInput)?;
        let local_addr = first.local_addr()?;
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let stats = Arc::new(ServerStats::new(config.max_client_stats));
        Ok(Self {
            event_loop: EventLoop::new(listeners, config, Arc::clone(&stats))?,
            local_addr,
            stats,
        })
    }

    /// The address that it listens on, with the actual port if that was 0; `[::]` for every
    /// address of both families.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counts. They stay readable after the server has ended.
    pub fn stats(&self) -> Arc<ServerStats> {
        Arc::clone(&self.stats)
    }

    /// A handle to control the server from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(self.event_loop.control())
    }

    /// Serves on a thread of its own until `shutdown` resolves, then closes every connection and
    /// returns.
    ///
    /// The thread has ended when this returns, within milliseconds of the shutdown as a rule; see [`ServerHandle::stop`]. Dropping the
    /// future stops the server, too, and blocks until the thread has ended.
    ///
    /// # Errors
    ///
    /// When the thread can't be started, and when the system's poller fails, which ends the
    /// server.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let mut running = self.start()?;
        tokio::select! {
            biased;
            ended = running.ended() => return ended,
            () = pin!(shutdown) => running.handle().stop(),
        }
        running.ended().await
    }

    /// Serves on a thread of its own until the returned value is dropped. It needs no runtime.
    ///
    /// # Errors
    ///
    /// When the thread can't be started.
    pub fn start(self) -> io::Result<RunningServer> {
        RunningServer::start(self)
    }

    /// Serves on this thread until [`ServerHandle::stop`], then closes every connection and
    /// returns. It needs no runtime.
    ///
    /// # Errors
    ///
    /// When the system's poller fails, which ends the server.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use tcp_echo_server::{Server, ServerConfig};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let server = Server::from_listeners([listener], ServerConfig::default())?;
    /// let (address, handle) = (server.local_addr(), server.handle());
    /// let running = std::thread::spawn(|| server.run_blocking());
    ///
    /// let mut peer = std::net::TcpStream::connect(address)?;
    /// peer.write_all(b"echo")?;
    /// let mut back = [0; 4];
    /// peer.read_exact(&mut back)?;
    /// assert_eq!(&back, b"echo");
    ///
    /// handle.stop();
    /// running.join().unwrap()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_blocking(mut self) -> io::Result<()> {
        self.event_loop.run()
    }
}
