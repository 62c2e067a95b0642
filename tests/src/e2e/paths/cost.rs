//! What a flow costs, compared with a target.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::ports;

use super::seeds;

/// So many targets of [`FLOWS`] flows are compared with as many targets as there are flows.
const TARGETS: usize = 10;
const FLOWS: usize = 16;

const WARM_UP: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(3);

/// Chance included.
const MAX_RATIO: f64 = 1.3;

pub(super) fn run(context: &Context) -> Result<()> {
    let address = ports::free()?;
    let listen = format!("-listen={address}");
    let flags = [
        "-mode=server",
        &listen,
        "-max-connections=0",
        "-max-connections-per-ip=0",
    ];
    let _server = Echo::start(context, &flags)?;
    let mut ratios = Vec::new();
    for round in 0..seeds(3)? {
        let cost =
            |targets: usize, flows: usize| cost(context, &address.to_string(), targets, flows);
        // Each is first as often as the other.
        let (of_flows, of_targets) = if round % 2 == 0 {
            let first = cost(TARGETS, FLOWS)?;
            (first, cost(TARGETS * FLOWS, 1)?)
        } else {
            let first = cost(TARGETS * FLOWS, 1)?;
            (cost(TARGETS, FLOWS)?, first)
        };
        ratios.push(of_flows / of_targets);
        context.note(format!(
            "{:.2} µs a probe of {TARGETS} targets of {FLOWS} flows, {:.2} µs of {} targets",
            of_flows * 1e6,
            of_targets * 1e6,
            TARGETS * FLOWS
        ));
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    context.note(format!(
        "{median:.3} times (median), {:.3} to {:.3}",
        ratios[0],
        ratios[ratios.len() - 1]
    ));
    ensure!(median <= MAX_RATIO, "{median:.3} times as much for a probe");
    Ok(())
}

/// The processor time of a probe, in seconds.
fn cost(context: &Context, address: &str, targets: usize, flows: usize) -> Result<f64> {
    let mut text = String::new();
    for n in 0..targets {
        writeln!(text, "- name: target {n}\n  address: {address}")?;
    }
    let file = context.file("targets.yml", &text)?;
    let client = Echo::start(
        context,
        &[
            "-mode=client",
            &format!("-targets={}", file.display()),
            &format!("-flows={flows}"),
            "-interval=20ms",
        ],
    )?;
    thread::sleep(WARM_UP);
    let before = client.scrape()?;
    thread::sleep(TIME);
    let after = client.scrape()?;
    let passed = |name: &str| after.sum(name, &[]) - before.sum(name, &[]);
    let sent = passed("tcp_echo_sent_total");
    let slots = (targets * flows) as f64 * TIME.as_secs_f64() * 50.0;
    ensure!(sent >= 0.5 * slots, "{sent} of {slots} probes sent");
    Ok(passed("process_cpu_seconds_total") / sent)
}
