//! A link that goes down and up again.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::netns::LINK;
use testkit::path::Path;

use crate::runner::Scenario;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "link down and up",
    tools: &[("ip", "iproute2")],
    root: true,
    alone: true,
    run,
}];

const RECOVERY: Duration = Duration::from_secs(1);

const FLAGS: &[&str] = &["-interval=10ms", "-timeout=20ms", "-window=50"];

fn run(context: &Context) -> Result<()> {
    let path = Path::probed(context, FLAGS)?;
    let (pair, watch) = (&path.pair, &path.watch);
    watch.healthy()?;

    // One outage shorter than the stall limit, one much longer.
    for down in [Duration::from_millis(200), Duration::from_secs(4)] {
        // At the server's end; the client's link then has no carrier.
        pair.server.ip(&["link", "set", LINK, "down"])?;
        thread::sleep(down);
        let dead = watch.now()?;
        ensure!(dead.sum("tcp_echo_loss_percent", &[]) > 20.0, "no loss");
        let received = dead.sum("tcp_echo_received_total", &[]);
        pair.server.ip(&["link", "set", LINK, "up"])?;
        let (_, took) = watch.until("replies after link up", RECOVERY, |scrape| {
            scrape.sum("tcp_echo_received_total", &[]) > received
        })?;
        context.note(format!(
            "{} ms down: back after {} ms",
            down.as_millis(),
            took.as_millis()
        ));
        watch.healthy()?;
    }
    path.watch.finish()?;
    Ok(())
}
