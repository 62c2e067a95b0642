//! A peer that stops and restarts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::relay::Relay;
use testkit::watch::Watch;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "the peer stops and restarts",
    alone: true,
    run,
    ..PLAIN
}];

/// The duration of the loss window: 50 slots of 10 ms.
const WINDOW: Duration = Duration::from_millis(500);
/// The time allowed for a scrape.
const SLACK: Duration = Duration::from_millis(150);
const RECOVERY: Duration = Duration::from_secs(1);

fn run(context: &Context) -> Result<()> {
    let server = EchoServer::start(context, &[])?;
    let mut relay = Relay::start(server.address)?;
    let target = format!("-target={}", relay.address());
    let flags = [
        "-mode=client",
        &target,
        "-interval=10ms",
        "-timeout=50ms",
        "-window=50",
    ];
    let started = Instant::now();
    let echo = Echo::start(context, &flags)?;
    let watch = Watch::start(echo.metrics.clone());
    watch.healthy()?;

    for (outage, duration) in [Duration::ZERO, Duration::from_secs(3)]
        .into_iter()
        .enumerate()
    {
        relay.refuse();
        let (_, took) = watch.until("loss of 100 %", WINDOW + SLACK, |scrape| {
            scrape.sum("tcp_echo_loss_percent", &[]) >= 100.0
        })?;
        context.note(format!(
            "outage {outage}: loss of 100 % after {} ms",
            took.as_millis()
        ));
        std::thread::sleep(duration);
        let dead = watch.now()?;
        ensure!(
            dead.get("tcp_echo_connected", &[])? == 0.0,
            "still connected"
        );
        ensure!(
            dead.get("tcp_echo_loss_percent", &[])? == 100.0,
            "loss decreased during the outage"
        );
        ensure!(unsent(&dead) >= 40.0, "only {} slots unsent", unsent(&dead));
        let refused = dead.sum("tcp_echo_connect_failures_total", &[("reason", "refused")]);
        ensure!(refused >= 1.0, "no failed connection attempt was counted");

        let received = dead.sum("tcp_echo_received_total", &[]);
        relay.listen()?;
        let (_, took) = watch.until("replies after the restart", RECOVERY, |scrape| {
            scrape.sum("tcp_echo_received_total", &[]) > received
        })?;
        context.note(format!(
            "outage {outage}: back after {} ms",
            took.as_millis()
        ));
        watch.healthy()?;
    }

    let last = watch.now()?;
    let slots = last.sum("tcp_echo_sent_total", &[]) + last.sum("tcp_echo_unsent_total", &[]);
    let due = started.elapsed().as_secs_f64() / 0.010;
    context.note(format!(
        "{slots} slots, {due:.0} due since the start of the process"
    ));
    ensure!(
        (due - 50.0..=due + 1.0).contains(&slots),
        "{slots} slots, {due} due"
    );
    let resets = last.sum("tcp_echo_disconnects_total", &[("reason", "reset")]);
    ensure!(resets == 2.0, "{resets} resets, not 2");
    ensure!(
        last.sum("tcp_echo_unexpected_total", &[]) == 0.0,
        "unexpected frames"
    );
    context.note(format!("{} scrapes checked", watch.finish()?));
    Ok(())
}

fn unsent(scrape: &Scrape) -> f64 {
    scrape.sum("tcp_echo_unsent_total", &[("reason", "disconnected")])
}
