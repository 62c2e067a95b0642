//! The same as a user sees it: flags and metrics.

use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;

use super::fan::Fan;

const PATHS: u8 = 4;

pub(super) fn run(context: &Context) -> Result<()> {
    let fan = Fan::new(context, PATHS)?;
    let target = format!("-target=server={}", Fan::target());
    let echo = Echo::start_in(
        context,
        &fan.client.inside(),
        &["-mode=client", &target, "-flows=16", "-source-ports=40000"],
    )?;
    let seconds = Duration::from_secs;
    echo.until("replies", seconds(5), |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= 100.0
    })?;
    let before = echo.scrape()?;
    ensure!(before.sum("tcp_echo_flows", &[]) == 16.0, "not all flows");
    ensure!(bad(&before) == 0.0, "{} flows are bad", bad(&before));

    fan.lose_on_path(2, 100)?;
    let (dead, took) = echo.until("a bad flow", seconds(20), |scrape| bad(scrape) >= 1.0)?;
    let port = dead.sum("tcp_echo_worst_flow_port", &[]);
    ensure!((40_000.0..40_256.0).contains(&port), "port {port}");
    ensure!(
        dead.sum("tcp_echo_worst_flow_loss_ratio", &[]) > 0.0,
        "no loss"
    );
    // What is behind the last living hop is not known from before, so the target stands for it.
    let hop = Fan::hop(2)?.to_string();
    let link: &[(&str, &str)] = &[("from", &hop)];
    let (_, voted) = echo.until("a vote", seconds(10), |scrape| {
        scrape.sum("tcp_echo_link_votes_total", link) > 0.0
    })?;
    fan.heal()?;
    let (_, healed) = echo.until("good flows", seconds(10), |scrape| bad(scrape) == 0.0)?;
    context.note(format!(
        "a path died: {} flows bad after {took:.1?}, a vote for the link behind {hop} {voted:.1?} later; good \
         {healed:.1?} after the repair",
        bad(&dead)
    ));
    let log = echo.process.log();
    let named = log
        .lines()
        .any(|line| line.contains("traced") && line.contains(&hop));
    ensure!(named, "the last hop is not in the log");
    Ok(())
}

fn bad(scrape: &Scrape) -> f64 {
    scrape.sum("tcp_echo_flows_bad", &[])
}
