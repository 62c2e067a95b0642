//! Serving one connection.

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
    stream::{Metered, Stream},
};
use crate::http::connections::{Admitted, Connection, RequestUnderWay};

pub(super) type Accepting = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// What is made of a TCP connection before HTTP is spoken.
#[derive(Clone)]
pub(super) struct Acceptor(pub(super) Arc<dyn Fn(TcpStream) -> Accepting + Send + Sync>);

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// Serves a connection until it ends, or is closed for another one.
pub(super) async fn serve(
    stream: TcpStream,
    admitted: Admitted,
    acceptor: Option<Acceptor>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let connection = admitted.connection();
    let served = async {
        if let Some(stream) = accept(acceptor, stream, limits, &mut stopped).await {
            let stream = Metered::new(stream, Arc::clone(connection));
            serve_http(stream, connection, router, limits, stopped).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = connection.closed() => {
            tracing::debug!(peer = %connection.peer(), "a connection to the endpoints was closed for another one");
        }
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
        return Some(Stream::Tcp(stream));
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

async fn serve_http(
    stream: Metered,
    connection: &Arc<Connection>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let under_way = connection.begin_request();
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(connection.peer()));
        extensions.insert(Arc::clone(connection));
        let answered = router.call(request);
        async {
            let response = answered.await?;
            let with = |body| Answer {
                body,
                _under_way: under_way,
            };
            Ok::<Response<Answer>, Infallible>(response.map(with))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_size)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => Some(ended),
        _ = stopped.changed() => None,
        () = sleep(limits.age) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        served.as_mut().graceful_shutdown();
        let last = timeout(limits.last_request, served);
        last.await.unwrap_or(Ok(()))
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the endpoints ended");
    }
}

/// An answer's body, with which its request ends.
struct Answer {
    body: Body,
    _under_way: RequestUnderWay,
}

impl hyper::body::Body for Answer {
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
