//! A router that says "unreachable" while the connection lives.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::path::Path;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "an unreachable peer while the connection lives",
    tools: &[("ip", "iproute2"), ("nft", "nftables")],
    root: true,
    alone: false,
    run: unreachable,
}];

const LIMIT: Duration = Duration::from_secs(10);

/// Answers the prober's segments with an ICMP error, which TCP keeps as a soft error.
fn unreachable(context: &Context) -> Result<()> {
    let path = Path::probed(context, &["-interval=10ms", "-timeout=200ms", "-stall=4s"])?;
    let watch = &path.watch;
    watch.until("replies", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= 10.0
    })?;
    path.pair.server.nft(
        "add table ip closed; \
         add chain ip closed in { type filter hook input priority 0; policy accept; }; \
         add rule ip closed in tcp dport 4000 reject with icmp type host-unreachable",
    )?;
    let (seen, after) = watch.until("a soft error", LIMIT, |scrape| {
        scrape.sum("tcp_echo_soft_errors_total", &[]) >= 1.0
    })?;
    ensure!(
        seen.sum("tcp_echo_connected", &[]) == 1.0,
        "the connection was closed"
    );
    watch.until("the stall", LIMIT, |scrape| {
        scrape.sum("tcp_echo_disconnects_total", &[("reason", "stalled")]) >= 1.0
    })?;
    let logs = context.logs();
    ensure!(
        logs.contains("soft_error=\"No route to host"),
        "the log does not say why: {logs}"
    );
    path.pair.server.nft("delete table ip closed")?;
    watch.until("replies again", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[])
            >= seen.sum("tcp_echo_received_total", &[]) + 10.0
    })?;
    context.note(format!(
        "a soft error after {} ms; {} scrapes",
        after.as_millis(),
        path.watch.finish()?
    ));
    Ok(())
}
