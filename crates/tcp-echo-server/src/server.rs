//! The server itself.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::accept::Acceptor;
use crate::connection::Echo;
use crate::episode::Episode;
use crate::gate::Gate;
use crate::listen::{adopt, listen};
use crate::{Address, BindError, RejectReason, ServerConfig, ServerStats};

/// After how long without traffic the kernel asks the peer, and how often.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A bound echo server, ready to [`run`](Self::run).
///
/// The system already takes connections for it; they are served once it runs.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    local_addr: SocketAddr,
    config: ServerConfig,
    stats: Arc<ServerStats>,
}

impl Server {
    /// Listens on `address` inside the current tokio runtime, in which the server must run too.
    ///
    /// # Errors
    ///
    /// [`BindError`], which names the address.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub async fn bind(address: &Address, config: ServerConfig) -> Result<Self, BindError> {
        let listeners = listen(address).await?;
        let local_addr = listeners
            .first()
            .map_or_else(
                || Err(io::ErrorKind::NotFound.into()),
                TcpListener::local_addr,
            )
            .map_err(|source| BindError::Listen {
                address: address.clone(),
                source,
            })?;
        Ok(Self {
            listeners,
            local_addr,
            config,
            stats: Arc::default(),
        })
    }

    /// Serves what listens already, such as the sockets that a service manager hands down. This
    /// has to be called inside the tokio runtime in which the server runs.
    ///
    /// # Errors
    ///
    /// Without any listener, and when the system refuses one of them.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    ///
    /// ```
    /// use tcp_echo_server::{Server, ServerConfig};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let server = Server::from_listeners([listener], ServerConfig::default())?;
    /// assert_eq!(server.local_addr(), address);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_listeners(
        listeners: impl IntoIterator<Item = std::net::TcpListener>,
        config: ServerConfig,
    ) -> io::Result<Self> {
        let listeners = adopt(listeners)?;
        let first = listeners.first().ok_or(io::ErrorKind::InvalidInput)?;
        let local_addr = first.local_addr()?;
        Ok(Self {
            listeners,
            local_addr,
            config,
            stats: Arc::default(),
        })
    }

    /// The address it listens on, with the port that the system chose where it was 0. For every
    /// address of both families this is `[::]`.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The counts, which stay readable after the server has ended.
    pub fn stats(&self) -> Arc<ServerStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown` resolves, then closes every connection and returns.
    ///
    /// Every task that it starts has ended when it returns, within milliseconds of the shutdown.
    /// Dropping the future closes everything as well.
    ///
    /// # Panics
    ///
    /// In a tokio runtime without time enabled.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let gate = Gate::new(&self.config, Arc::clone(&self.stats));
        let mut acceptor = Acceptor::new(self.listeners);
        let mut door = Door::default();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "a connection ended"),
                    Err(error) => tracing::error!(%error, "a connection's task ended"),
                },
                (stream, peer) = acceptor.next(&self.stats) => {
                    match gate.admit(peer.ip()) {
                        Ok(admission) => {
                            door.set_options(&stream);
                            connections.spawn(Echo::new(stream, self.config.idle_timeout, admission));
                        }
                        Err(reason) => door.reject(stream, peer, reason),
                    }
                    // Those connected come before the next one who waits at the door.
                    tokio::task::yield_now().await;
                }
            }
        }
        drop(acceptor);
        connections.shutdown().await;
    }
}

/// What is done to a connection at the door, said once and not for every connection.
#[derive(Debug, Default)]
struct Door {
    options_failed: bool,
    rejecting: [Episode; RejectReason::ALL.len()],
}

impl Door {
    fn set_options(&mut self, stream: &TcpStream) {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        // OpenBSD and Haiku have no interval.
        #[cfg(any(
            target_os = "linux",
            target_os = "macos",
            target_os = "freebsd",
            windows
        ))]
        let keepalive = keepalive.with_interval(KEEPALIVE);
        let socket = SockRef::from(stream);
        let set = stream
            .set_nodelay(true)
            .and_then(|()| socket.set_tcp_keepalive(&keepalive));
        if let Err(error) = set
            && !std::mem::replace(&mut self.options_failed, true)
        {
            tracing::warn!(%error, "a connection's options cannot be set, serving it without");
        }
    }

    fn reject(&mut self, stream: TcpStream, peer: SocketAddr, reason: RejectReason) {
        drop(stream);
        if self.rejecting[reason as usize].event(Instant::now()) {
            tracing::warn!(%peer, limit = reason.as_str(), "connections over the limit are closed");
        }
    }
}
