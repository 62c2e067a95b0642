//! Answers that take time to make.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::negotiate;

/// How many answers are made or held in memory at once; others wait. Two
/// Prometheus servers and a person don't.
const MOST: usize = 4;

/// Makes answers away from the runtime's own threads, few at once.
pub(crate) struct Renderer {
    permits: Arc<Semaphore>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MOST)),
        }
    }
}

/// An answer's bytes. The permit is given back when they are sent or dropped, so
/// clients that read slowly don't pile up answers in memory.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Renderer {
    /// The answer whose body `render` writes; gzip where the client takes it.
    pub(crate) async fn render(
        &self,
        headers: &HeaderMap,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let gzip = negotiate::gzip(headers);
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let rendered = tokio::task::spawn_blocking(move || {
            let bytes = if gzip {
                compressed(render)?
            } else {
                plain(render)?
            };
            let held = Held {
                bytes,
                _permit: permit,
            };
            io::Result::Ok(Bytes::from_owner(held))
        });
        let body = match rendered
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
        {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

type Rendered = io::Result<Vec<u8>>;

fn plain(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Rendered {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    Ok(bytes)
}

fn compressed(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Rendered {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    render(&mut gzip)?;
    gzip.finish()
}
