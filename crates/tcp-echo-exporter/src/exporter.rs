//! Serving the endpoints.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tcp_echo_server::{Address, BindError, adopt, listen};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

mod door;

use door::{Door, Guest};

/// What keeps slow or silent clients from holding the endpoints.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How many connections are served at once; others wait to be accepted.
    connections: usize,
    /// How many of one address, so that it keeps nobody else out; more are closed.
    connections_per_ip: usize,
    /// How long a request's head may be, in bytes.
    head_size: usize,
    /// How long a connection may take to send a request's head, or idle before it.
    head: Duration,
    /// After how long a connection takes no further request.
    age: Duration,
    /// How long its last request may then take, reading the answer included.
    last_request: Duration,
}

const LIMITS: Limits = Limits {
    connections: 256,
    connections_per_ip: 64,
    head_size: 32 * 1024,
    head: Duration::from_secs(20),
    age: Duration::from_secs(60),
    last_request: Duration::from_secs(10),
};

/// How long requests under way may take at shutdown.
const GRACE: Duration = Duration::from_millis(500);

/// Bound HTTP endpoints, ready to [`serve`](Self::serve).
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
        Self::new(listeners, router).map_err(|source| BindError::Listen {
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
            Box::pin(async move { Ok(Box::new(accepted.await?) as Stream) })
        })));
        self
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
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let mut door = Door::new(self.listeners, self.limits.connections_per_ip);
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection to the endpoints has failed");
                    }
                }
                Ok((permit, guest)) = async {
                    let permit = Arc::clone(&permits).acquire_owned().await?;
                    Ok::<_, tokio::sync::AcquireError>((permit, door.accept().await))
                } => {
                    let acceptor = self.acceptor.clone();
                    let (router, limits) = (self.router.clone(), self.limits);
                    let mut stopped = stopped.clone();
                    connections.spawn(async move {
                        let router = guest.introduced_to(router);
                        let Guest { stream, place, .. } = guest;
                        if let Some(stream) = accept(acceptor, stream, limits, &mut stopped).await {
                            serve_connection(stream, router, limits, stopped).await;
                        }
                        drop((permit, place));
                    });
                }
            }
        }
        drop((door, stop));
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// When a request's connection is closed, whatever it does; an extension of every
/// request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closes(pub(crate) Instant);

/// What HTTP is spoken on.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

type Stream = Box<dyn Connection>;

type Accepting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// What is made of a TCP connection before HTTP is spoken.
#[derive(Clone)]
struct Acceptor(Arc<dyn Fn(TcpStream) -> Accepting + Send + Sync>);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// What there is to serve, if anything comes of a connection in time.
async fn accept(
    acceptor: Option<Acceptor>,
    stream: TcpStream,
    limits: Limits,
    stopped: &mut watch::Receiver<()>,
) -> Option<Stream> {
    // Only the answer's latency is at stake.
    let _ = stream.set_nodelay(true);
    let Some(Acceptor(accept)) = acceptor else {
        return Some(Box::new(stream));
    };
    let accepted = tokio::select! {
        accepted = timeout(limits.head, accept(stream)) => accepted,
        _ = stopped.changed() => return None,
    };
    let accepted = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match accepted {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a connection to the endpoints was not accepted");
            None
        }
    }
}

async fn serve_connection(
    stream: Stream,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let closes = Closes(Instant::now() + limits.age + limits.last_request);
    let router = router.layer(Extension(closes));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_size)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopped.changed() => None,
        () = sleep(limits.age) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        let last = timeout(limits.last_request, connection);
        last.await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the endpoints ended");
    }
}

#[cfg(test)]
mod tests;
