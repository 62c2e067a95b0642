//! Responses that take time to render.

use std::{
    io::{self, BufWriter, Write},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

use super::{
    accept,
    body::{self, BodyWriter},
    client::Client,
    responses::Responses,
};

/// The maximum number of responses in memory. Others wait. Two Prometheus servers and a person
/// stay below it.
const MAX_RESPONSES: usize = 4;

/// How long a request waits for a permit before it gets a 503.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the client may take to read a response, except for its last chunks.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The size of the buffer before gzip, which is slow at short writes.
const GZIP_BUFFER: usize = 16 * 1024;

/// The level of gzip. Of 10,000 targets it makes a scrape a third smaller than level 1 does, for at
/// most a third more time; level 4 saves another tenth for half as much again.
const GZIP_LEVEL: u32 = 2;

/// Renders responses on blocking threads, few at once.
pub(crate) struct Renderer {
    responses: Responses,
    permit_timeout: Duration,
    read_timeout: Duration,
}

impl Default for Renderer {
    fn default() -> Self {
        Self {
            responses: Responses::new(MAX_RESPONSES),
            permit_timeout: PERMIT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
        }
    }
}

impl Renderer {
    /// Returns a response whose body `render` writes, with gzip if the client accepts it. The
    /// body is streamed while it is written, so its length costs no memory. A slow reader
    /// blocks its writer.
    pub(crate) async fn render(
        &self,
        client: &Client,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let gzip = accept::gzip(&client.headers);
        let Some(permit) = self.responses.acquire(client, self.permit_timeout).await else {
            return too_many_responses();
        };
        let (mut writer, mut body) = body::channel(permit, self.read_timeout);
        tokio::task::spawn_blocking(move || {
            let written = if gzip {
                write_gzip(render, &mut writer)
            } else {
                render(&mut writer)
            };
            writer.finish(written);
        });
        let response_body = match body.first().await {
            Some(Ok((whole, true))) => Body::from(whole),
            Some(Ok((first, false))) => Body::from_stream(body.into_stream(first)),
            // The target was removed since the request was routed.
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return (StatusCode::NOT_FOUND, "not found\n").into_response();
            }
            failed => {
                let error = failed.and_then(Result::err);
                tracing::error!(error = ?error, "a response could not be rendered");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let mut response = Response::new(response_body);
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Sets one header of a response.
pub(crate) fn set_header(response: &mut Response, name: HeaderName, value: &'static str) {
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
}

fn too_many_responses() -> Response {
    let again = [(header::RETRY_AFTER, "1")];
    let why = "too many answers are under way\n";
    (StatusCode::SERVICE_UNAVAILABLE, again, why).into_response()
}

fn write_gzip(
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    writer: &mut BodyWriter,
) -> io::Result<()> {
    let gzip = GzEncoder::new(writer, Compression::new(GZIP_LEVEL));
    let mut input = BufWriter::with_capacity(GZIP_BUFFER, gzip);
    render(&mut input)?;
    let gzip = input.into_inner().map_err(io::IntoInnerError::into_error)?;
    gzip.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests;
