//! An HTTP endpoint, also in a network namespace.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use crate::http::{self, Response};
use crate::netns::Inside;

/// Where to send requests: an address, in a network namespace or in that of this process.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// Where that address is.
    pub inside: Inside,
}

impl Endpoint {
    /// The endpoint at an address in the namespace of this process.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            inside: Inside::default(),
        }
    }

    /// The body of the response to a GET.
    ///
    /// # Errors
    ///
    /// If the response is not 200, not UTF-8, or does not come.
    pub fn get(&self, path: &str) -> Result<String> {
        let response = self.request("GET", path, &[])?;
        if response.status != 200 {
            bail!("GET {path}: {}", response.status);
        }
        Ok(response.text()?.to_owned())
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    ///
    /// If there is no connection, or no whole response.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let address = self.address;
        let stream = self.inside.run(move || http::connect(address))??;
        http::exchange(stream, method, path, headers)
    }
}
