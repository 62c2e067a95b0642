//! An HTTP endpoint, possibly in a network namespace.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::exposition::Scrape;
use crate::http::{self, Response};
use crate::netns::Inside;
use crate::wait;

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

    /// Scrapes the metrics.
    ///
    /// # Errors
    ///
    /// If there is no response, or it is not in the text format.
    pub fn scrape(&self) -> Result<Scrape> {
        Scrape::parse(&self.get("/metrics")?)
    }

    /// Waits until a scrape satisfies `predicate`; returns the scrape and the time it took.
    ///
    /// # Errors
    ///
    /// If no scrape does within `limit`.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        predicate: impl Fn(&Scrape) -> bool,
    ) -> Result<(Scrape, Duration)> {
        wait::until(what, limit, || {
            self.scrape().ok().filter(|scrape| predicate(scrape))
        })
    }

    /// Reloads the configuration.
    ///
    /// # Errors
    ///
    /// If the response is not 200.
    pub fn reload(&self) -> Result<()> {
        let response = self.request("POST", "/-/reload", &[])?;
        ensure!(response.status == 200, "reload: {}", response.text()?);
        Ok(())
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
