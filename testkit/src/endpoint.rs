//! An HTTP endpoint, possibly in a network namespace.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::http::{self, Response};
use crate::netns::Inside;

/// The destination of requests: an address, in a network namespace or in that of this process.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// The namespace of that address.
    pub inside: Inside,
}

impl Endpoint {
    /// Creates an endpoint at an address in the namespace of this process.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            inside: Inside::default(),
        }
    }

    /// Sends a GET request and returns the body of the response.
    ///
    /// # Errors
    ///
    /// If there is no response, or it is not 200 or not UTF-8.
    pub fn get(&self, path: &str) -> Result<String> {
        let response = self.request("GET", path, &[])?;
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
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let address = self.address;
        let stream = self.inside.run(move || http::connect(address))??;
        http::exchange(stream, method, path, headers)
    }
}
