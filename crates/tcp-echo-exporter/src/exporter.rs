//! Serving the endpoints.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tcp_echo_server::{Address, BindError, listen};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// What keeps slow or silent clients from holding the endpoints.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How many connections are served at once; others wait to be accepted.
    connections: usize,
    /// How long a connection may take to send a request's head, or idle before it.
    head: Duration,
    /// After how long a connection takes no further request.
    age: Duration,
    /// How long its last request may then take, reading the answer included.
    last_request: Duration,
}

const LIMITS: Limits = Limits {
    connections: 256,
    head: Duration::from_secs(20),
    age: Duration::from_secs(60),
    last_request: Duration::from_secs(10),
};

/// How long requests under way may take at shutdown.
const GRACE: Duration = Duration::from_millis(500);

/// How long to wait when no connection can be accepted, for want of files as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bound HTTP endpoints, ready to [`serve`](Self::serve).
#[derive(Debug)]
pub struct Exporter {
    listeners: Vec<TcpListener>,
    local_addr: SocketAddr,
    router: Router,
    limits: Limits,
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
        let first = listeners.first().ok_or(io::ErrorKind::NotFound.into());
        let local_addr =
            first
                .and_then(TcpListener::local_addr)
                .map_err(|source| BindError::Listen {
                    address: address.clone(),
                    source,
                })?;
        Ok(Self {
            listeners,
            local_addr,
            router,
            limits: LIMITS,
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
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let mut door = Door {
            listeners: self.listeners,
            failing: false,
        };
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                Ok((permit, stream)) = async {
                    let permit = Arc::clone(&permits).acquire_owned().await?;
                    Ok::<_, tokio::sync::AcquireError>((permit, door.accept().await))
                } => {
                    let connection = serve_connection(stream, self.router.clone(), self.limits, stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
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

/// Accepts connections.
struct Door {
    listeners: Vec<TcpListener>,
    /// Whether that it fails was said.
    failing: bool,
}

impl Door {
    async fn accept(&mut self) -> TcpStream {
        loop {
            let listeners = &self.listeners;
            let accepted = poll_fn(|context| {
                let mut ready = listeners.iter().map(|one| one.poll_accept(context));
                ready.find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            match accepted.await {
                Ok((stream, _)) => {
                    self.failing = false;
                    return stream;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "can't accept connections to the endpoints");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether the peer gave up before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    // Only the answer's latency is at stake.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
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
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::oneshot,
        time::Instant,
    };

    use super::*;

    /// Long against what a test machine does to a timer.
    const MOST: Duration = Duration::from_secs(10);

    /// A server of a small and of an endless answer.
    async fn start(limits: Limits) -> (SocketAddr, oneshot::Sender<()>, JoinSet<()>) {
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/large", get(async || vec![b'x'; 64 << 20]))
            .route("/slow", get(std::future::pending::<&str>));
        let address = "127.0.0.1:0".parse().unwrap();
        let mut exporter = Exporter::bind(&address, router).await.unwrap();
        exporter.limits = limits;
        let address = exporter.local_addr();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(exporter.serve(async {
            let _ = stopped.await;
        }));
        (address, stop, tasks)
    }

    async fn request(address: SocketAddr, path: &str) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    /// Waits until the server closes the connection.
    async fn closed(mut client: TcpStream) {
        let mut rest = Vec::new();
        let _ = timeout(MOST, client.read_to_end(&mut rest)).await.unwrap();
    }

    #[tokio::test]
    async fn shutdown_waits_neither_for_idle_nor_for_busy_clients() {
        let (address, stop, mut tasks) = start(LIMITS).await;
        let silent = TcpStream::connect(address).await.unwrap();
        let mut kept = request(address, "/").await;
        let mut answer = [0; 16];
        kept.read_exact(&mut answer).await.unwrap();
        let slow = request(address, "/slow").await;
        let stuck = request(address, "/large").await;
        let before = Instant::now();
        drop(stop);
        tasks.join_next().await.unwrap().unwrap();
        assert!(before.elapsed() < Duration::from_secs(1));
        for client in [silent, kept, slow, stuck] {
            closed(client).await;
        }
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_sends_no_request_is_dropped() {
        let head = Duration::from_millis(50);
        let (address, _stop, _tasks) = start(Limits { head, ..LIMITS }).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        closed(client).await;
    }

    #[tokio::test]
    async fn clients_that_hold_every_connection_give_way() {
        let limits = Limits {
            connections: 2,
            age: Duration::from_millis(50),
            last_request: Duration::from_millis(50),
            ..LIMITS
        };
        let (address, _stop, _tasks) = start(limits).await;
        let _stuck = request(address, "/large").await;
        let _slow = request(address, "/slow").await;
        let mut third = request(address, "/").await;
        let mut answer = [0; 15];
        let read = timeout(MOST, third.read_exact(&mut answer)).await;
        read.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let (address, _stop, _tasks) = start(LIMITS).await;
        let error = Exporter::bind(&address.into(), Router::new()).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
