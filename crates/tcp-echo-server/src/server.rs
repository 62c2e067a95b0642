//! The server itself.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::accept::Acceptor;
use crate::connection::{Echo, Ended};
use crate::door::Door;
use crate::gate::Gate;
use crate::listen::{adopt, listen};
use crate::turns::Turns;
use crate::{Address, BindError, ServerConfig, ServerStats};

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
    /// An address without a host, as `:4000`, is every address of this host: whoever can reach any
    /// of them is served, from the internet too where one of them is public. Where that is not
    /// meant, name the address of the network that is, or the peers by
    /// [`ServerConfig::allow`].
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
        let mut door = Door::default();
        door.open(&self.listeners);
        let mut acceptor = Acceptor::new(self.listeners);
        let turns = Arc::new(Turns::default());
        let mut connections = JoinSet::<Result<(), Ended>>::new();
        // It never ends by itself.
        connections.spawn({
            let turns = Arc::clone(&turns);
            async move {
                turns.run().await;
                Ok(())
            }
        });
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
                            door.prepare(&stream);
                            connections.spawn(Echo::new(stream, Arc::clone(&turns), admission));
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
