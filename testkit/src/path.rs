//! A prober and its server, with a network between them that can be broken.

use anyhow::Result;

use crate::context::Context;
use crate::echo::Echo;
use crate::netns::{Pair, SERVER};
use crate::watch::Watch;

/// A client in one namespace that probes a server in the other, and is scraped all the time.
pub struct Path {
    /// The two namespaces.
    pub pair: Pair,
    /// Scrapes the client.
    pub watch: Watch,
    // Both run until this is dropped.
    _server: Echo,
    _client: Echo,
}

impl Path {
    /// Starts both, the client with these flags besides its mode and target.
    ///
    /// # Errors
    ///
    /// If the namespaces can't be made, or either program does not start.
    pub fn probed(context: &Context, flags: &[&str]) -> Result<Self> {
        let pair = Pair::new()?;
        let (listen, target) = (
            format!("-listen={SERVER}:4000"),
            format!("-target={SERVER}:4000"),
        );
        let server = Echo::start_in(context, &pair.server.inside(), &["-mode=server", &listen])?;
        let flags = [&["-mode=client", &target], flags].concat();
        let client = Echo::start_in(context, &pair.client.inside(), &flags)?;
        Ok(Self {
            pair,
            watch: Watch::start(client.metrics.clone()),
            _server: server,
            _client: client,
        })
    }
}
