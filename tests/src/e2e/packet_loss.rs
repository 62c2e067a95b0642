//! Random packet loss, with every probe accounted for.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::netns::Namespace;
use testkit::path::Path;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "1 % of packets lost",
        run: |context| lose(context, 1),
        ..LOSSY
    },
    Scenario {
        name: "10 % of packets lost",
        run: |context| lose(context, 10),
        ..LOSSY
    },
];

const LOSSY: Scenario = Scenario {
    name: "",
    tools: &[("ip", "iproute2"), ("nft", "nftables")],
    root: true,
    alone: false,
    run: |_| Ok(()),
};

const TIME: Duration = Duration::from_secs(8);

/// TCP retransmits lost packets, so they cause late replies. With a single connection and enough time
/// at the end, every probe that timed out is answered late.
fn lose(context: &Context, percent: u32) -> Result<()> {
    let flags = &["-interval=5ms", "-timeout=4ms", "-window=1000", "-stall=1m"];
    let path = Path::probed(context, flags)?;
    let (pair, watch) = (&path.pair, &path.watch);
    let connected =
        |scrape: &testkit::exposition::Scrape| scrape.sum("tcp_echo_received_total", &[]) >= 10.0;
    watch.until("replies", Duration::from_secs(5), connected)?;

    for end in [&pair.client, &pair.server] {
        drop_some(end, percent)?;
    }
    thread::sleep(TIME);
    let dropped = dropped(&pair.client)? + dropped(&pair.server)?;
    for end in [&pair.client, &pair.server] {
        end.nft("flush chain ip lossy in")?;
    }
    // The limit covers the longest retransmission timeout of TCP.
    let (_, quiet) = watch.until(
        "late replies to all timeouts",
        Duration::from_secs(10),
        |scrape| {
            let (late, timeouts) = (
                scrape.sum("tcp_echo_late_total", &[]),
                scrape.sum("tcp_echo_timeouts_total", &[]),
            );
            late == timeouts
        },
    )?;
    let last = watch.now()?;
    let count = |name: &str| last.sum(&format!("tcp_echo_{name}_total"), &[]);
    let (sent, received) = (count("sent"), count("received"));
    let (timeouts, late, retransmits) =
        (count("timeouts"), count("late"), count("tcp_retransmits"));
    context.note(format!(
        "{percent} % of packets: {dropped} dropped; {sent} sent, {received} received, {timeouts} timeouts, \
         {late} late, {retransmits} retransmits, quiet after {} ms; {} scrapes",
        quiet.as_millis(),
        path.watch.finish()?
    ));
    ensure!(dropped > 0, "no packet was dropped");
    ensure!(timeouts >= 1.0, "no timeout");
    ensure!(retransmits >= 1.0, "no retransmit");
    ensure!(
        count("unexpected") == 0.0 && count("disconnects") == 0.0,
        "unexpected frames or disconnects"
    );
    ensure!(count("connects") == 1.0, "more than one connection");
    // Each drop delays only the probes of a few round trips.
    let share = timeouts / sent;
    let max = f64::from(percent) * 0.25;
    ensure!(share <= max.min(0.95), "{share} of the probes timed out");
    let slots = sent + count("unsent");
    ensure!(slots >= TIME.as_secs_f64() / 0.005, "{slots} slots");
    Ok(())
}

fn drop_some(end: &Namespace, percent: u32) -> Result<()> {
    end.nft(&format!(
        "add table ip lossy; \
         add chain ip lossy in {{ type filter hook input priority 0; policy accept; }}; \
         add rule ip lossy in ip protocol tcp iif veth0 numgen random mod 100 < {percent} counter drop"
    ))?;
    Ok(())
}

/// Returns the number of packets dropped by the rule.
fn dropped(end: &Namespace) -> Result<u64> {
    let rules = end.nft("list chain ip lossy in")?;
    let (_, after) = rules.split_once("counter packets ").context("no counter")?;
    let count = after.split(' ').next().context("no counter")?;
    Ok(count.parse()?)
}
