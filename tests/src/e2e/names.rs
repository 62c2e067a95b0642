//! Names whose lookup fails at once or hangs.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use testkit::context::Context;
use testkit::echo::{Echo, signal_name};
use testkit::netns::Namespace;
use testkit::ports;
use testkit::watch::Watch;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a name that does not resolve",
        root: true,
        tools: &[("ip", "iproute2")],
        run: unknown,
        ..PLAIN
    },
    Scenario {
        name: "a nameserver that hangs",
        root: true,
        tools: &[("ip", "iproute2")],
        run: hanging,
        ..PLAIN
    },
];

const NAME: &str = "no-such-host.invalid:4000";

/// The namespace has no nameserver, so lookups fail at once.
fn unknown(context: &Context) -> Result<()> {
    let namespace = Namespace::new()?;
    namespace.nameserver("127.0.0.1")?;
    let listen = ports::free()?;
    let echo = Echo::start_in(
        context,
        &namespace.inside(),
        &[
            "-mode=both",
            &format!("-listen={listen}"),
            &format!("-target=bad={NAME}"),
            &format!("-target=good={listen}"),
            "-interval=10ms",
            "-window=50",
        ],
    )?;
    let watch = Watch::start(echo.metrics.clone());
    let bad = [("target", "bad")];
    let dns = [("target", "bad"), ("reason", "dns")];
    let (scrape, took) = watch.until("three failures", Duration::from_secs(10), |scrape| {
        scrape.sum("tcp_echo_connect_failures_total", &dns) >= 3.0
            && scrape.sum("tcp_echo_loss_percent", &bad) >= 100.0
            && scrape.sum("tcp_echo_received_total", &[("target", "good")]) >= 100.0
    })?;
    context.note(format!(
        "three lookups failed within {} ms",
        took.as_millis()
    ));
    let others = scrape.sum("tcp_echo_connect_failures_total", &bad)
        - scrape.sum("tcp_echo_connect_failures_total", &dns);
    ensure!(others == 0.0, "{others} failures of other kinds");
    let good = scrape.get("tcp_echo_loss_percent", &[("target", "good")])?;
    ensure!(good == 0.0, "the other target lost {good} %");
    watch.finish()?;
    echo.end_by(Signal::TERM)?;
    Ok(())
}

/// The nameserver in the namespace never answers.
fn hanging(context: &Context) -> Result<()> {
    let namespace = Namespace::new()?;
    namespace.nameserver("127.0.0.1")?;
    let _silent = namespace
        .inside()
        .run(|| UdpSocket::bind("127.0.0.1:53"))??;
    for signal in [Signal::TERM, Signal::INT] {
        let echo = Echo::start_in(
            context,
            &namespace.inside(),
            &["-mode=client", &format!("-target={NAME}"), "-interval=10ms"],
        )?;
        // Once slots are lost, the lookup is in progress.
        echo.until("lost slots", Duration::from_secs(3), |scrape| {
            scrape.sum("tcp_echo_unsent_total", &[("reason", "disconnected")]) >= 10.0
        })?;
        let took = echo.end_by(signal)?;
        context.note(format!(
            "{} while a lookup hangs: {} ms",
            signal_name(signal),
            took.as_millis()
        ));
    }
    Ok(())
}
