//! The peer dies and comes back.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::{Echo, EchoServer};
use testkit::exposition::Scrape;
use testkit::relay::Relay;
use testkit::watch::Watch;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "the peer dies and comes back",
    alone: true,
    run,
    ..PLAIN
}];

/// One window's time: 50 slots of 10 ms.
const WINDOW: Duration = Duration::from_millis(500);
/// For the scrape to be made and read.
const SLACK: Duration = Duration::from_millis(150);
const BACK: Duration = Duration::from_secs(1);

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

    for (death, silence) in [Duration::ZERO, Duration::from_secs(3)]
        .into_iter()
        .enumerate()
    {
        relay.refuse();
        let (_, took) = watch.until("loss of 100 %", WINDOW + SLACK, |scrape| {
            scrape.sum("tcp_echo_loss_percent", &[]) >= 100.0
        })?;
        context.note(format!(
            "death {death}: loss of 100 % after {} ms",
            took.as_millis()
        ));
        std::thread::sleep(silence);
        let dead = watch.now()?;
        ensure!(
            dead.get("tcp_echo_connected", &[])? == 0.0,
            "still connected"
        );
        ensure!(
            dead.get("tcp_echo_loss_percent", &[])? == 100.0,
            "loss fell while dead"
        );
        ensure!(unsent(&dead) >= 40.0, "only {} slots unsent", unsent(&dead));
        let refused = dead.sum("tcp_echo_connect_failures_total", &[("reason", "refused")]);
        ensure!(refused >= 1.0, "no failure to connect was counted");

        let received = dead.sum("tcp_echo_received_total", &[]);
        relay.listen()?;
        let (_, took) = watch.until("replies after the restart", BACK, |scrape| {
            scrape.sum("tcp_echo_received_total", &[]) > received
        })?;
        context.note(format!("death {death}: back after {} ms", took.as_millis()));
        watch.healthy()?;
    }

    let last = watch.now()?;
    let slots = last.sum("tcp_echo_sent_total", &[]) + last.sum("tcp_echo_unsent_total", &[]);
    let due = started.elapsed().as_secs_f64() / 0.010;
    context.note(format!(
        "{slots} slots of {due:.0} due since the start of the process"
    ));
    ensure!(
        (due - 50.0..=due + 1.0).contains(&slots),
        "{slots} slots of {due}"
    );
    let resets = last.sum("tcp_echo_disconnects_total", &[("reason", "reset")]);
    ensure!(resets == 2.0, "{resets} resets of 2");
    ensure!(
        last.sum("tcp_echo_unexpected_total", &[]) == 0.0,
        "unexpected frames"
    );
    context.note(format!("the sum held at {} scrapes", watch.finish()?));
    Ok(())
}

fn unsent(scrape: &Scrape) -> f64 {
    scrape.sum("tcp_echo_unsent_total", &[("reason", "disconnected")])
}
