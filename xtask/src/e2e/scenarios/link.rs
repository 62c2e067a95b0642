//! The cable is pulled and put back.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::e2e::harness::context::Context;
use crate::e2e::harness::echo::Echo;
use crate::e2e::harness::netns::{LINK, Pair, SERVER};
use crate::e2e::harness::watch::Watch;
use crate::e2e::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "link down and up",
    tools: &[("ip", "iproute2")],
    root: true,
    alone: true,
    run,
}];

const BACK: Duration = Duration::from_secs(1);

fn run(context: &Context) -> Result<()> {
    let pair = Pair::new()?;
    let address = format!("{SERVER}:4000");
    let (listen, target) = (format!("-listen={address}"), format!("-target={address}"));
    let _server = Echo::start_in(context, &pair.server.inside(), &["-mode=server", &listen])?;
    let flags = [
        "-mode=client",
        &target,
        "-interval=10ms",
        "-timeout=20ms",
        "-window=50",
    ];
    let client = Echo::start_in(context, &pair.client.inside(), &flags)?;
    let watch = Watch::start(client.metrics.clone());
    watch.healthy()?;

    // One shorter than the limit of a stall, one far longer.
    for down in [Duration::from_millis(200), Duration::from_secs(4)] {
        // At the server's end: the client's own link has no carrier then.
        pair.server.ip(&["link", "set", LINK, "down"])?;
        thread::sleep(down);
        let dead = watch.now()?;
        ensure!(dead.sum("tcp_echo_loss_percent", &[]) > 20.0, "no loss");
        let received = dead.sum("tcp_echo_received_total", &[]);
        pair.server.ip(&["link", "set", LINK, "up"])?;
        let (_, took) = watch.until("replies on the link", BACK, |scrape| {
            scrape.sum("tcp_echo_received_total", &[]) > received
        })?;
        context.note(format!(
            "{} ms down: back after {} ms",
            down.as_millis(),
            took.as_millis()
        ));
        watch.healthy()?;
    }
    watch.finish()?;
    Ok(())
}
