//! A prober and its server with a network between them that can be broken.

use anyhow::Result;

use super::context::Context;
use super::echo::Echo;
use super::netns::{Pair, SERVER};
use super::watch::Watch;

/// A client in one namespace that probes a server in the other, and is watched.
pub(in crate::e2e) struct Path {
    pub(in crate::e2e) pair: Pair,
    pub(in crate::e2e) watch: Watch,
    // Both run until this is dropped.
    _server: Echo,
    _client: Echo,
}

impl Path {
    /// Starts both, the client with these flags besides its mode and target.
    pub(in crate::e2e) fn probed(context: &Context, flags: &[&str]) -> Result<Self> {
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
