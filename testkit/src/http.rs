//! A minimal HTTP client, sufficient for scrapes.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// The timeout for connecting and for each read.
const LIMIT: Duration = Duration::from_secs(5);

/// A complete response.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names are in lower case.
    headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the header of this lower-case name, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.body).context("the body is not UTF-8")
    }
}

/// Sends a GET request and returns the body of the response.
///
/// # Errors
///
/// If there is no response, or it is not 200 or not UTF-8.
pub fn get(address: SocketAddr, path: &str) -> Result<String> {
    let response = request(address, "GET", path, &[])?;
    if response.status != 200 {
        bail!("GET {path}: {}", response.status);
    }
    Ok(response.text()?.to_owned())
}

/// Sends one request over a new connection.
///
/// # Errors
///
/// If the connection fails, or the response is incomplete.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response> {
    exchange(connect(address)?, method, path, headers)
}

/// Connects, with a timeout for each read.
///
/// # Errors
///
/// If the connection fails.
pub fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Sends one request over `stream` and reads the response. The request is HTTP/1.0, so the body
/// ends with the connection and is never chunked.
///
/// # Errors
///
/// If the stream fails or times out, or the response is malformed.
pub fn exchange(
    mut stream: TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response> {
    let host = stream.peer_addr()?;
    let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n")?;
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("{method} {path}"))?;
    parse(bytes).with_context(|| format!("{method} {path}"))
}

fn parse(mut bytes: Vec<u8>) -> Result<Response> {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no end of headers")?;
    let head = str::from_utf8(&bytes[..end])?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).context("no status")?.parse()?;
    let headers = rest
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    // In place, since the metrics of many targets are megabytes.
    bytes.drain(..end + 4);
    Ok(Response {
        status,
        headers,
        body: bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_response_is_parsed() {
        let response =
            parse(b"HTTP/1.1 404 Not Found\r\nContent-Type: a/b; c\r\n\r\n\r\n\r\nx".to_vec())
                .unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.header("content-type"), "a/b; c");
        assert_eq!(response.header("absent"), "");
        assert_eq!(response.body, b"\r\n\r\nx");
        assert!(parse(b"HTTP/1.1 200 OK\r\n".to_vec()).is_err());
    }
}
