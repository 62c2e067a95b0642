//! Answers that take time to make.

use std::{
    io::{self, BufWriter, Write},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use tokio::sync::Semaphore;

use crate::{
    negotiate,
    pieces::{self, Pieces},
};

/// How many answers are made at once; others wait. Two Prometheus servers and a
/// person don't.
const MOST: usize = 4;

/// What gzip is given at a time: it is made for more than a number or a name.
const GZIP_INPUT: usize = 16 * 1024;

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

impl Renderer {
    /// The answer whose body `render` writes; gzip where the client takes it. It is
    /// sent while it is written, so that its length costs no memory; one that takes
    /// longer to read than to write holds back its writer.
    pub(crate) async fn render(
        &self,
        headers: &HeaderMap,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let gzip = negotiate::gzip(headers);
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let (mut pieces, mut rest) = pieces::channel();
        tokio::task::spawn_blocking(move || {
            let written = if gzip {
                compressed(render, &mut pieces)
            } else {
                render(&mut pieces)
            };
            pieces.finish(written);
            drop(permit);
        });
        let body = match rest.first().await {
            Some(Ok((whole, true))) => Body::from(whole),
            Some(Ok((first, false))) => Body::from_stream(rest.after(first)),
            failed => {
                let error = failed.and_then(Result::err);
                tracing::error!(error = ?error, "an answer could not be written");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn compressed(
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    pieces: &mut Pieces,
) -> io::Result<()> {
    let gzip = GzEncoder::new(pieces, Compression::fast());
    let mut input = BufWriter::with_capacity(GZIP_INPUT, gzip);
    render(&mut input)?;
    let gzip = input.into_inner().map_err(io::IntoInnerError::into_error)?;
    gzip.finish()?;
    Ok(())
}
