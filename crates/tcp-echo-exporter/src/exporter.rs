//! Serving the endpoints.

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

use crate::{allowed_hosts::AllowedHosts, connections::Connections};

mod connection;
mod limits;
mod listeners;
mod stream;

use connection::Acceptor;
use limits::{LIMITS, Limits};
use listeners::Listeners;
use stream::Stream;

/// How long requests under way may take at shutdown.
const GRACE: Duration = Duration::from_millis(500);

/// Bound HTTP endpoints, ready to [`serve`](Self::serve).
///
/// 256 connections are served at once, of one client (an IPv4 address or the /64 of an IPv6
/// one) up to half of what the others leave. A new one is always accepted: for one beyond
/// the limit another one is closed, the oldest idle one as a rule.
#[derive(Debug)]
pub struct Exporter {
    listeners: Vec<TcpListener>,
    local_addr: SocketAddr,
    router: Router,
    limits: Limits,
    acceptor: Option<Acceptor>,
}

impl Exporter {
    /// Listens on `address` inside the current tokio runtime; `router` is that of
    /// [`Endpoints`](crate::Endpoints), with whatever layers the program adds.
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

    /// Serves what listens already, such as the sockets that a service manager hands
    /// down. This has to be called inside the tokio runtime in which it serves.
    ///
    /// # Errors
    /// Without any listener, and when the system refuses one of them.
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
            limits: LIMITS,
            acceptor: None,
        })
    }

    /// Speaks HTTP on what `accept` makes of each connection, such as TLS. It is called
    /// in the connection's own task, has 20 seconds, and is dropped at shutdown.
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

    /// Answers under these host names alone, but for what is answered under any. Without
    /// this all is.
    #[must_use]
    pub fn with_allowed_hosts(mut self, hosts: AllowedHosts) -> Self {
        self.router = hosts.protect(self.router);
        self
    }

    /// Whether it can be reached from its own host alone, since all that it listens on are
    /// loopback addresses.
    pub fn is_on_loopback(&self) -> bool {
        self.listeners.iter().all(|listener| {
            let address = listener.local_addr();
            address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
        })
    }

    /// The address it listens on, with the port that the system chose where it was
    /// 0. For every address of both families this is `[::]`.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` resolves. Requests under way then have half a second;
    /// every task that it started has ended when it returns.
    ///
    /// # Panics
    /// In a tokio runtime without time enabled.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let limits = self.limits;
        let mut listeners = Listeners::new(self.listeners, limits.accept_pause);
        let connections = Connections::new(limits.connections);
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
                        tracing::error!(%error, "a connection to the endpoints has failed");
                    }
                }
                accepted = listeners.accept() => {
                    let Some((stream, peer)) = accepted else {
                        connections.close_idle();
                        continue;
                    };
                    let closes_at = Instant::now() + limits.age + limits.last_request;
                    let admitted = connections.admit(peer, closes_at);
                    let (acceptor, router) = (self.acceptor.clone(), self.router.clone());
                    let stopped = stopped.clone();
                    tasks.spawn(connection::serve(
                        stream, admitted, acceptor, router, limits, stopped,
                    ));
                }
            }
        }
        drop((listeners, stop));
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            tasks.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests;
