//! Serves one connection.

use std::{
    convert::Infallible,
    fmt, io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    http::{Request, Response},
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    limits::Limits,
    stream::{MeteredStream, Stream},
};
use crate::http::{
    connection::{Connection, RequestGuard},
    connections::ConnectionGuard,
};

pub(super) type AcceptFuture = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// Turns a TCP connection into the stream that HTTP is spoken over.
#[derive(Clone)]
pub(super) struct Acceptor(pub(super) Arc<dyn Fn(TcpStream) -> AcceptFuture + Send + Sync>);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// Serves a connection until it ends, or is closed for another one.
pub(super) async fn serve(
    stream: TcpStream,
    guard: ConnectionGuard,
    acceptor: Option<Acceptor>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let connection = guard.connection();
    let served = async {
        if let Some(stream) = accept(acceptor, stream, limits, &mut stopped).await {
            let stream = MeteredStream::new(stream, Arc::clone(connection));
            serve_http(stream, connection, router, limits, stopped).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = connection.closed() => {
            tracing::debug!(peer = %connection.peer(), "closed a connection to the endpoints for another one");
        }
    }
}

/// Returns the stream to serve, unless the acceptor fails or times out.
async fn accept(
    acceptor: Option<Acceptor>,
    stream: TcpStream,
    limits: Limits,
    stopped: &mut watch::Receiver<()>,
) -> Option<Stream> {
    // A failure affects only latency.
    let _ = stream.set_nodelay(true);
    let Some(Acceptor(accept)) = acceptor else {
        return Some(Stream::Tcp(stream));
    };
    let accepted = tokio::select! {
        accepted = timeout(limits.head_timeout, accept(stream)) => accepted,
        _ = stopped.changed() => return None,
    };
    let accepted = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match accepted {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a connection to the endpoints was rejected");
            None
        }
    }
}

async fn serve_http(
    stream: MeteredStream,
    connection: &Arc<Connection>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let request_guard = connection.begin_request();
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(connection.peer()));
        extensions.insert(Arc::clone(connection));
        let answered = router.call(request);
        async {
            let response = answered.await?;
            let with = |body| ResponseBody {
                body,
                _request_guard: request_guard,
            };
            Ok::<Response<ResponseBody>, Infallible>(response.map(with))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.max_head_size)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        _ = stopped.changed() => None,
        () = sleep(limits.max_age) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        served.as_mut().graceful_shutdown();
        let last = timeout(limits.last_request_timeout, served);
        last.await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the endpoints ended with an error");
    }
}

/// A response body. The request ends when it is dropped.
struct ResponseBody {
    body: Body,
    _request_guard: RequestGuard,
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
