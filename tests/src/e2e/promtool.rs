//! Checks the metrics with promtool.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::ports;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "promtool checks the metrics of every mode and set of series",
    tools: &[("promtool", "prometheus")],
    run,
    ..PLAIN
}];

/// The status of promtool if metrics are valid, but not as it advises.
const LINT: i32 = 3;

/// Advice that the minimal series don't follow: they have the quantiles of the loss window, and a
/// summary would have those since the start.
const QUANTILE: &str =
    "tcp_echo_rtt_quantile_seconds non-summary metrics should not have \"quantile\" label";

fn run(context: &Context) -> Result<()> {
    for (mode, series) in [
        ("server", "all"),
        ("client", "all"),
        ("both", "all"),
        ("client", "standard"),
        ("client", "minimal"),
    ] {
        let listen = ports::free()?;
        let echo = Echo::start(
            context,
            &[
                &format!("-mode={mode}"),
                &format!("-series={series}"),
                &format!("-listen={listen}"),
                &format!("-target=first={listen}"),
                &format!("-target=a \"strange\\name\"={listen}"),
            ],
        )?;
        let metrics = echo.metrics.get("/metrics")?;
        let client = metrics.contains("tcp_echo_sent_total");
        let server = metrics.contains("tcp_echo_server_accepted_total");
        ensure!(
            client == (mode != "server"),
            "{mode}: client's series: {client}"
        );
        ensure!(
            server == (mode != "client"),
            "{mode}: server's series: {server}"
        );
        check(&metrics).with_context(|| format!("{mode}, {series}"))?;
    }
    Ok(())
}

fn check(metrics: &str) -> Result<()> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = promtool.stdin.take().context("no input")?;
    input.write_all(metrics.as_bytes())?;
    drop(input);
    let result = promtool.wait_with_output()?;
    let output = [result.stdout, result.stderr].concat();
    let output = String::from_utf8_lossy(&output);
    let complaints: Vec<&str> = output.lines().filter(|line| *line != QUANTILE).collect();
    let is_checked = result.status.success() || result.status.code() == Some(LINT);
    ensure!(
        is_checked && complaints.is_empty(),
        "{}: {output}",
        result.status
    );
    Ok(())
}
