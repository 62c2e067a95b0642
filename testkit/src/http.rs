//! As much of an HTTP client as a scrape needs.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::netns::Inside;

const LIMIT: Duration = Duration::from_secs(5);

/// Where to ask: an address, in a network namespace or in that of this process.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) inside: Inside,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names are in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> Result<&str> {
        str::from_utf8(&self.body).context("a body that is no UTF-8")
    }
}

impl Endpoint {
    /// The body of a GET that is answered with 200.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let response = self.request("GET", path, &[])?;
        if response.status != 200 {
            bail!("GET {path}: {}", response.status);
        }
        Ok(response.text()?.to_owned())
    }

    /// One request on a connection of its own. By HTTP/1.0 the body ends with
    /// the connection, and is never chunked.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response> {
        let address = self.address;
        let mut stream = self
            .inside
            .run(move || TcpStream::connect_timeout(&address, LIMIT))??;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n")?;
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream
            .read_to_end(&mut bytes)
            .with_context(|| format!("{method} {path}"))?;
        parse(&bytes).with_context(|| format!("{method} {path}"))
    }
}

fn parse(bytes: &[u8]) -> Result<Response> {
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
    Ok(Response {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_response_is_taken_apart() {
        let response =
            parse(b"HTTP/1.1 404 Not Found\r\nContent-Type: a/b; c\r\n\r\n\r\n\r\nx").unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.header("content-type"), "a/b; c");
        assert_eq!(response.header("absent"), "");
        assert_eq!(response.body, b"\r\n\r\nx");
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
