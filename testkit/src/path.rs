//! A prober and a server, connected by a network into which faults can be injected.

use anyhow::Result;

use crate::context::Context;
use crate::echo::Echo;
use crate::netns::{Pair, SERVER};
use crate::watch::Watch;

/// A client in one namespace that probes a server in the other and is scraped continuously.
pub struct Path {
    /// The two connected namespaces.
    pub pair: Pair,
    /// Scrapes the client.
    pub watch: Watch,
    // Keep both running until this is dropped.
    _server: Echo,
    _client: Echo,
}

impl Path {
    /// Starts both; the client with its mode, its target and these flags.
    ///
    /// # Errors
    ///
    /// If the namespaces can't be created, or either program does not start.
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
