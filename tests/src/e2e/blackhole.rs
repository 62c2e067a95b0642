//! A path that drops all packets for 25 s.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::path::Path;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a blackhole of 25 s",
    tools: &[("ip", "iproute2"), ("nft", "nftables")],
    root: true,
    alone: true,
    run,
}];

/// Long enough for TCP's retransmission timeout to reach half a minute.
const OUTAGE: Duration = Duration::from_secs(25);
const RECOVERY: Duration = Duration::from_secs(1);

const FLAGS: &[&str] = &["-interval=10ms", "-timeout=20ms", "-window=50"];

fn run(context: &Context) -> Result<()> {
    let path = Path::probed(context, FLAGS)?;
    let (pair, watch) = (&path.pair, &path.watch);
    watch.healthy()?;

    let before = watch.now()?;
    pair.server.nft(
        "add table ip hole; \
         add chain ip hole in { type filter hook input priority 0; policy drop; }; \
         add chain ip hole out { type filter hook output priority 0; policy drop; }",
    )?;
    thread::sleep(OUTAGE);
    let dead = watch.now()?;
    let rise = |name: &str, labels| dead.sum(name, labels) - before.sum(name, labels);
    ensure!(
        dead.get("tcp_echo_loss_percent", &[])? == 100.0,
        "loss is not 100 %"
    );
    ensure!(
        rise("tcp_echo_disconnects_total", &[("reason", "stalled")]) == 1.0,
        "not exactly one stall"
    );
    ensure!(
        rise("tcp_echo_connect_failures_total", &[("reason", "timeout")]) >= 1.0,
        "no connection attempt timed out"
    );
    let slots = rise("tcp_echo_sent_total", &[]) + rise("tcp_echo_unsent_total", &[]);
    ensure!(
        (2480.0..=2600.0).contains(&slots),
        "{slots} slots in {OUTAGE:?}"
    );

    let received = dead.sum("tcp_echo_received_total", &[]);
    pair.server.nft("delete table ip hole")?;
    let (_, took) = watch.until("replies after the blackhole", RECOVERY, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) > received
    })?;
    context.note(format!(
        "back {} ms after a blackhole of {} s",
        took.as_millis(),
        OUTAGE.as_secs()
    ));
    watch.healthy()?;
    let last = watch.now()?;
    ensure!(
        last.sum("tcp_echo_unexpected_total", &[]) == 0.0,
        "unexpected frames"
    );
    context.note(format!("{} scrapes checked", path.watch.finish()?));
    Ok(())
}
