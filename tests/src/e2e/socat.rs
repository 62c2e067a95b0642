//! Another echo server as the peer.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::ports;
use testkit::process::Process;
use testkit::watch::Watch;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "socat as the peer",
    tools: &[("socat", "socat")],
    run,
    ..PLAIN
}];

fn run(context: &Context) -> Result<()> {
    let address = ports::free()?;
    let listen = format!(
        "TCP-LISTEN:{},bind=127.0.0.1,fork,reuseaddr",
        address.port()
    );
    // PIPE echoes within socat, without a child process that could outlive it.
    let _socat = Process::spawn(
        context,
        "socat",
        Command::new("socat").args([&listen, "PIPE"]),
    )?;
    let target = format!("-target={address}");
    let echo = Echo::start(context, &["-mode=client", &target, "-interval=5ms"])?;
    let watch = Watch::start(echo.metrics.clone());
    let (scrape, _) = watch.until("300 replies", Duration::from_secs(10), |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= 300.0
    })?;
    for name in ["unexpected", "timeouts", "late", "disconnects"] {
        let count = scrape.sum(&format!("tcp_echo_{name}_total"), &[]);
        ensure!(count == 0.0, "{count} {name}");
    }
    watch.finish()?;
    Ok(())
}
