//! The HTTP server of the endpoints.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use tcp_echo_net::{Address, BindError, adopt, listen};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::{allowed_hosts::AllowedHosts, connections::Connections};

mod limits;
mod listeners;
mod serve;
mod stream;
mod url;

use limits::{DEFAULT_LIMITS, Limits};
use listeners::Listeners;
use serve::Acceptor;
use stream::Stream;

/// How long requests in progress may take at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// HTTP endpoints on bound listeners, ready to [`serve`](Self::serve).
///
/// Serves up to 256 connections at once. One client (an IPv4 address or the /64 of an IPv6
/// address) has up to half of what the others leave. A new connection is always accepted:
/// beyond a limit, another one is closed, usually the oldest idle one.
#[derive(Debug)]
pub struct Exporter {
    listeners: Vec<TcpListener>,
    local_addr: SocketAddr,
    router: Router,
    limits: Limits,
    acceptor: Option<Acceptor>,
}

impl Exporter {
    /// Listens on `address` inside the current tokio runtime. `router` is that of
    /// [`Endpoints`](crate::Endpoints), with any layers that the program adds.
    ///
    /// # Errors
    /// [`BindError`], which names the address.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub async fn bind(address: &Address, router: Router) -> Result<Self, BindError> {
        let listeners = listen(address).await?;
        Self::from_listeners(listeners, router).map_err(|source| BindError::Listen {
            address: address.clone(),
            source,
        })
    }

    /// Serves on existing listeners, such as sockets from a service manager. Must be called
    /// inside the tokio runtime in which it serves.
    ///
    /// # Errors
    /// If there is no listener, or if the system rejects one of them.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn from_listeners(
        listeners: impl IntoIterator<Item = std::net::TcpListener>,
        router: Router,
    ) -> io::Result<Self> {
        Self::new(adopt(listeners)?, router)
    }

    fn new(listeners: Vec<TcpListener>, router: Router) -> io::Result<Self> {
        let first = listeners.first().ok_or(io::ErrorKind::InvalidInput)?;
        let local_addr = first.local_addr()?;
        Ok(Self {
            listeners,
            local_addr,
            router,
            limits: DEFAULT_LIMITS,
            acceptor: None,
        })
    }

    /// Speaks HTTP over the stream that `accept` returns for each connection, such as TLS. It
    /// runs in the connection's own task, has 20 seconds, and is dropped at shutdown.
    #[must_use]
    pub fn with_acceptor<A, S>(
        mut self,
        accept: impl Fn(TcpStream) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.acceptor = Some(Acceptor(Arc::new(move |stream| {
            let accepted = accept(stream);
            Box::pin(async move { Ok(Stream::Other(Box::new(accepted.await?))) })
        })));
        self
    }

    /// Responds only under these host names, except for paths that respond under any. The
    /// default is to allow all.
    #[must_use]
    pub fn with_allowed_hosts(mut self, hosts: AllowedHosts) -> Self {
        self.router = hosts.protect(self.router);
        self
    }

    /// Returns whether only this host can reach it: all listeners have loopback addresses.
    pub fn is_on_loopback(&self) -> bool {
        self.listeners.iter().all(|listener| {
            let address = listener.local_addr();
            address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
        })
    }

    /// Returns the address of the first listener, with the port that the system chose if it was
    /// 0. For all addresses of both families this is `[::]`.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the URL of `/` for a browser on this host.
    pub fn page_url(&self, is_tls: bool) -> String {
        url::page(self.local_addr, is_tls)
    }

    /// Serves until `shutdown` resolves. Requests in progress then have half a second. When
    /// this returns, every task that it started has ended.
    ///
    /// # Panics
    /// In a tokio runtime without time enabled.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let limits = self.limits;
        // Otherwise each request would put its handler and layers together.
        let router = self.router.with_state(());
        let mut listeners = Listeners::new(self.listeners);
        let connections = Connections::new(limits.max_connections);
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = tasks.join_next() => {
                    listeners.on_closed();
                    if let Err(error) = ended {
                        tracing::error!(%error, "the task of a connection to the endpoints failed");
                    }
                }
                accepted = listeners.accept() => {
                    let Some((stream, peer)) = accepted else {
                        connections.close_idle();
                        continue;
                    };
                    let closes_at = Instant::now() + limits.max_age + limits.last_request_timeout;
                    let guard = connections.admit(peer, closes_at);
                    let (acceptor, router) = (self.acceptor.clone(), router.clone());
                    let stopped = stopped.clone();
                    tasks.spawn(serve::serve(
                        stream, guard, acceptor, router, limits, stopped,
                    ));
                }
            }
        }
        drop((listeners, stop));
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(SHUTDOWN_GRACE, ended).await.is_err() {
            tasks.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests;
