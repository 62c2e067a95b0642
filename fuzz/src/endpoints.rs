//! Helpers to fuzz HTTP endpoints without a network: a reusable runtime, and checks of every
//! response.

use std::{cell::OnceCell, convert::Infallible, future::Future, io::Read as _};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, Response, header},
};
use flate2::read::GzDecoder;
use tcp_echo_exporter::BuildInfo;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;

pub(crate) const BUILD: BuildInfo = BuildInfo {
    version: "1.2.3",
    revision: "0123456",
    rustversion: "1.88.0",
};

/// The maximum size of a response.
const MOST: usize = 4 << 20;

/// Runs a future on this thread's runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|runtime| {
        let build = || Builder::new_current_thread().enable_all().build().unwrap();
        runtime.get_or_init(build).block_on(future)
    })
}

/// A decompressed response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) text: Option<String>,
}

/// Sends a request to a router; returns the response. The stream of events is not read.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let head = request.method() == Method::HEAD;
    let asked: Result<Response<Body>, Infallible> = router.clone().call(request).await;
    let Ok(response) = asked;
    let (parts, body) = response.into_parts();
    let value = |name| {
        let value = parts.headers.get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        value(header::X_CONTENT_TYPE_OPTIONS).as_deref(),
        Some("nosniff")
    );
    let kind = value(header::CONTENT_TYPE).unwrap_or_default();
    let text = if kind == "text/event-stream" {
        None
    } else {
        let bytes = to_bytes(body, MOST).await.unwrap();
        let bytes = match value(header::CONTENT_ENCODING).as_deref() {
            Some(encoding) if !head => {
                assert_eq!(encoding, "gzip");
                let mut plain = Vec::new();
                GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
                plain
            }
            _ => bytes.to_vec(),
        };
        assert!(!head || bytes.is_empty());
        // Protobuf is not text.
        String::from_utf8(bytes).ok()
    };
    Answer {
        status: parts.status.as_u16(),
        kind,
        text,
    }
}
