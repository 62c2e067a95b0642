//! Every path of the HTTP endpoint, and the formats of the metrics.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "endpoints and formats",
    run,
    ..PLAIN
}];

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.metricfamily";

/// Accept headers of Prometheus 2.42, without and with native histograms, and of other clients.
const ACCEPTS: &[(&str, &str)] = &[
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OPENMETRICS,
    ),
    (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        PROTOBUF,
    ),
    ("", TEXT),
    ("*/*", TEXT),
    ("text/html", TEXT),
    (
        "text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1",
        TEXT,
    ),
    (
        "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0",
        TEXT,
    ),
];

fn run(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    let (listen_at, target) = (
        format!("-listen={listen}"),
        format!("-target=here={listen}"),
    );
    let echo = Echo::start(
        context,
        &["-mode=both", &listen_at, &target, "-interval=10ms"],
    )?;
    echo.until("a reply", Duration::from_secs(2), |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) > 0.0
    })?;
    formats(&echo)?;
    statuses(&echo)?;
    types(&echo.scrape()?)?;

    let page = echo.metrics.get("/")?;
    ensure!(
        page.contains("here"),
        "the status page does not name the target: {page}"
    );
    let targets: Value = serde_json::from_str(&echo.metrics.get("/api/v1/targets")?)?;
    ensure!(targets.to_string().contains("\"here\""), "{targets}");
    Ok(())
}

fn formats(echo: &Echo) -> Result<()> {
    for (accept, wanted) in ACCEPTS {
        let response = echo
            .metrics
            .request("GET", "/metrics", &[("Accept", accept)])?;
        let kind = response.header("content-type");
        let normalized = |text: &str| text.replace(' ', "").to_ascii_lowercase();
        ensure!(
            normalized(kind).starts_with(&normalized(wanted)),
            "Accept: {accept}: the content type is {kind}"
        );
        match *wanted {
            PROTOBUF => ensure!(response.body.len() > 1000, "{} bytes", response.body.len()),
            OPENMETRICS => ensure!(
                response.text()?.ends_with("# EOF\n"),
                "no EOF marker: {kind}"
            ),
            _ => ensure!(!response.text()?.contains("# EOF"), "OpenMetrics as {kind}"),
        }
    }
    let plain = echo.metrics.request("GET", "/metrics", &[])?;
    let zipped = echo
        .metrics
        .request("GET", "/metrics", &[("Accept-Encoding", "gzip")])?;
    ensure!(
        plain.header("content-encoding").is_empty(),
        "gzip without Accept-Encoding"
    );
    ensure!(zipped.header("content-encoding") == "gzip", "no gzip");
    ensure!(zipped.body.starts_with(&[0x1f, 0x8b]), "not gzip");
    ensure!(
        zipped.body.len() * 2 < plain.body.len(),
        "{} bytes compressed, {} plain",
        zipped.body.len(),
        plain.body.len()
    );
    Ok(())
}

fn statuses(echo: &Echo) -> Result<()> {
    wait::until("ready", Duration::from_secs(2), || {
        echo.metrics.get("/-/ready").ok()
    })?;
    for (method, path, status) in [
        ("GET", "/-/healthy", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/-/reload", 200),
        ("GET", "/nothing", 404),
        ("GET", "/metrics/", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
        ("GET", "/-/reload", 405),
    ] {
        let found = echo.metrics.request(method, path, &[])?.status;
        ensure!(found == status, "{method} {path}: {found}, not {status}");
    }
    Ok(())
}

/// Checks the types, reasons and buckets of the metrics.
fn types(scrape: &Scrape) -> Result<()> {
    let counters = "sent_total received_total timeouts_total connects_total unsent_total late_total \
        unexpected_total connect_failures_total disconnects_total tcp_retransmits_total \
        server_accepted_total server_rejected_total server_closed_total server_echoed_bytes_total \
        server_accept_errors_total log_lines_dropped_total";
    let gauges = "connected up last_rtt_seconds loss_percent in_flight loss_ratio jitter_seconds \
        tcp_srtt_seconds tcp_rttvar_seconds tcp_min_rtt_seconds target_info \
        config_last_reload_successful config_last_reload_success_timestamp_seconds build_info \
        targets_without_socket server_connections";
    let histograms =
        "rtt_seconds connect_duration_seconds send_lateness_seconds host_delay_seconds";
    for (names, kind) in [
        (counters, "counter"),
        (gauges, "gauge"),
        (histograms, "histogram"),
    ] {
        for name in names.split_whitespace() {
            let found = scrape.kind(&format!("tcp_echo_{name}"));
            ensure!(
                found == Some(kind),
                "tcp_echo_{name} is {found:?}, not a {kind}"
            );
        }
    }
    for (name, reasons) in [
        ("unsent", "disconnected backpressure overrun resources"),
        ("connect_failures", "refused timeout unreachable dns other"),
        ("disconnects", "eof reset stalled error closed"),
    ] {
        for reason in reasons.split(' ') {
            scrape.get(
                &format!("tcp_echo_{name}_total"),
                &[("target", "here"), ("reason", reason)],
            )?;
        }
    }
    let bounds = scrape.matching("tcp_echo_rtt_seconds_bucket", &[]).count();
    ensure!(bounds == 16, "{bounds} buckets, not 15 and +Inf");
    scrape.get("tcp_echo_rtt_seconds_bucket", &[("le", "0.0001")])?;
    scrape.get("tcp_echo_rtt_seconds_bucket", &[("le", "1.6384")])?;
    scrape.get("process_resident_memory_bytes", &[])?;
    Ok(())
}
