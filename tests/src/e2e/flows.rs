//! A target with several flows, as users see it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::ports;

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "flows of a target: metrics, API, page and report",
    run,
    ..PLAIN
}];

const TARGET: &[(&str, &str)] = &[("target", "db")];

/// The first of a range of source ports that this run alone uses, outside of those that the system
/// gives to others.
const SOURCE_PORTS: u16 = 23_000;

fn run(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    // Another address of this host, to which the same source ports are free.
    let port = listen.port();
    let list = format!(
        r#"[{{"targets": ["127.0.0.2:{port}"], "labels": {{"target": "one", "__probe_flows__": "1"}}}}]"#
    );
    let list = context.file("targets.json", &list)?;
    let echo = Echo::start(
        context,
        &[
            "-mode=both",
            "-flows=4",
            &format!("-source-ports={SOURCE_PORTS}"),
            "-interval=50ms",
            &format!("-listen=0.0.0.0:{port}"),
            &format!("-target=db={listen}"),
            &format!("-targets={}", list.display()),
        ],
    )?;
    let received = |scrape: &Scrape| scrape.get("tcp_echo_received_total", TARGET).unwrap_or(0.0);
    let limit = Duration::from_secs(10);
    let (first, _) = echo.until("replies", limit, |scrape| received(scrape) >= 40.0)?;
    let more = received(&first) + 40.0;
    let (second, _) = echo.until("more replies", limit, |scrape| received(scrape) >= more)?;
    for scrape in [first, second] {
        metrics(&scrape)?;
    }

    let answer = echo.metrics.get("/api/v1/paths?target=db")?;
    let answer: Value = serde_json::from_str(&answer).context(answer)?;
    let flows = answer["flows"].as_array().context("no flows")?;
    ensure!(flows.len() == 4, "{answer}");
    for flow in flows {
        let port = flow["source_port"].as_u64().unwrap_or_default();
        // One of four explores further ports.
        let ports = u64::from(SOURCE_PORTS)..u64::from(SOURCE_PORTS) + 64;
        ensure!(ports.contains(&port) && flow["bad"] == false, "{flow}");
    }
    let one = echo.metrics.get("/api/v1/paths?target=one")?;
    ensure!(one.matches("source_port").count() == 1, "{one}");

    let page = echo.metrics.get("/?target=db")?;
    ensure!(page.contains("Flows: 4, of which 0 bad"), "{page}");
    let port = format!(">{SOURCE_PORTS}<");
    ensure!(page.contains(&port), "no port {port}: {page}");
    drop(echo);
    report(context)
}

/// The series of the target are those of all its flows.
fn metrics(scrape: &Scrape) -> Result<()> {
    let get = |name: &str| scrape.get(&format!("tcp_echo_{name}"), TARGET);
    let answered = get("received_total")? + get("timeouts_total")? + get("in_flight")?;
    ensure!((get("sent_total")? - answered).abs() < f64::EPSILON);
    ensure!(get("connects_total")? >= 4.0 && get("connected")? > 0.0);
    let flows = [get("flows")?, get("flows_bad")?];
    ensure!(flows == [4.0, 0.0], "{flows:?}");
    ensure!(get("worst_flow_rtt_seconds")? > 0.0);
    let port = get("worst_flow_port")?;
    ensure!(port >= f64::from(SOURCE_PORTS), "{port}");
    let one = scrape.get("tcp_echo_flows", &[("target", "one")])?;
    ensure!((one - 1.0).abs() < f64::EPSILON, "{one}");
    let connections = scrape.get("tcp_echo_server_connections", &[])?;
    ensure!(connections >= 5.0, "{connections}");
    Ok(())
}

/// Each flow has its slots, and the target's line has their sum.
fn report(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    let (listen, target) = (format!("-listen={listen}"), format!("-target=db={listen}"));
    let flags = ["-mode=both", "-flows=3", "-count=5", "-duration=20s"];
    let output = Command::new(context.binary())
        .args(flags)
        .args(["-interval=10ms", "-output=json", &listen, &target])
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let targets = report["targets"].as_array().context("no targets")?;
    ensure!(targets.len() == 1, "{report}");
    ensure!(targets[0]["slots"] == 15, "{report}");
    Ok(())
}
