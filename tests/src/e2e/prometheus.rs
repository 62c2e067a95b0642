//! A real Prometheus scrapes a process in mode both.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::endpoint::Endpoint;
use testkit::process::Process;
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "Prometheus scrapes mode both",
        tools: &[("prometheus", "prometheus")],
        run,
        ..PLAIN
    },
    Scenario {
        name: "Prometheus scrapes the minimal series",
        tools: &[("prometheus", "prometheus")],
        run: minimal,
        ..PLAIN
    },
];

/// Probes per second.
const RATE: f64 = 50.0;

fn run(context: &Context) -> Result<()> {
    let listen = ports::free()?;
    let (listen_at, target) = (format!("-listen={listen}"), format!("-target={listen}"));
    let echo = Echo::start(
        context,
        &["-mode=both", &listen_at, &target, "-interval=20ms"],
    )?;
    // By default Prometheus requests OpenMetrics; for native histograms, protobuf.
    let text = Prometheus::start(context, "openmetrics", echo.metrics.address, &[])?;
    let features = ["--enable-feature=native-histograms"];
    let native = Prometheus::start(context, "protobuf", echo.metrics.address, &features)?;
    for prometheus in [&text, &native] {
        prometheus.wait_for_scrapes()?;
        prometheus.check_counters(context)?;
    }
    text.within(
        "histogram_quantile(0.5, rate(tcp_echo_rtt_seconds_bucket[5s]))",
        1e-6,
        0.1,
    )?;
    text.within(
        "rate(tcp_echo_rtt_seconds_count[5s])",
        RATE * 0.8,
        RATE * 1.2,
    )?;
    native.within(
        "histogram_quantile(0.5, rate(tcp_echo_rtt_seconds[5s]))",
        1e-6,
        0.1,
    )?;
    native.within(
        "histogram_count(rate(tcp_echo_rtt_seconds[5s]))",
        RATE * 0.8,
        RATE * 1.2,
    )?;
    Ok(())
}

fn minimal(context: &Context) -> Result<()> {
    let (listen, dead) = (ports::free()?, ports::free()?);
    let flags = [
        "-mode=both".to_owned(),
        format!("-listen={listen}"),
        format!("-target=db={listen}"),
        format!("-target=old={dead}"),
        "-interval=20ms".to_owned(),
        "-series=minimal".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let echo = Echo::start(context, &flags)?;
    let text = Prometheus::start(context, "minimal-text", echo.metrics.address, &[])?;
    let features = ["--enable-feature=native-histograms"];
    let native = Prometheus::start(context, "minimal-native", echo.metrics.address, &features)?;
    for (prometheus, series) in [(&text, 10.0), (&native, 7.0)] {
        prometheus.wait_for_scrapes()?;
        let of_target = "count({target=\"db\"})";
        prometheus.within(of_target, series, series)?;
        let lost = "tcp_echo_loss_ratio{target=\"old\"}";
        prometheus.within(lost, 1.0, 1.0)?;
    }
    let median = "tcp_echo_rtt_quantile_seconds{target=\"db\", quantile=\"0.5\"}";
    text.within(median, 1e-6, 0.1)?;
    // NaN equals nothing, not even itself.
    let numbers = "count(tcp_echo_rtt_quantile_seconds == tcp_echo_rtt_quantile_seconds)";
    text.within(numbers, 3.0, 3.0)?;
    let mean = "rate(tcp_echo_rtt_sum_seconds_total{target=\"db\"}[5s]) \
                / rate(tcp_echo_received_total{target=\"db\"}[5s])";
    text.within(mean, 1e-6, 0.1)?;
    native.within(
        "histogram_quantile(0.5, rate(tcp_echo_rtt_seconds{target=\"db\"}[5s]))",
        1e-6,
        0.1,
    )?;
    native.within(
        "histogram_count(rate(tcp_echo_rtt_seconds{target=\"db\"}[5s]))",
        RATE * 0.8,
        RATE * 1.2,
    )
}

pub(super) struct Prometheus {
    name: &'static str,
    api: Endpoint,
    _process: Process,
}

impl Prometheus {
    fn start(
        context: &Context,
        name: &'static str,
        target: SocketAddr,
        flags: &[&str],
    ) -> Result<Self> {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: tcp-echo, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        Self::start_with(context, name, &config, flags)
    }

    /// Starts Prometheus with this configuration.
    pub(super) fn start_with(
        context: &Context,
        name: &'static str,
        config: &str,
        flags: &[&str],
    ) -> Result<Self> {
        let config = context.file(&format!("{name}.yml"), config)?;
        let address = ports::free()?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                context.folder().join(name).display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .args(flags);
        Ok(Self {
            name,
            api: Endpoint::at(address),
            _process: Process::spawn(context, name, &mut command)?,
        })
    }

    /// Returns the address of its API.
    pub(super) fn address(&self) -> SocketAddr {
        self.api.address
    }

    /// Waits for enough scrapes for a rate over five seconds, and checks that all succeeded.
    fn wait_for_scrapes(&self) -> Result<()> {
        let scraped = || {
            self.value("count_over_time(up[30s])")
                .is_ok_and(|count| count >= 7.0)
        };
        wait::until("seven scrapes", Duration::from_secs(30), || {
            scraped().then_some(())
        })?;
        let targets = self.json("/api/v1/targets")?;
        let target = &targets["data"]["activeTargets"][0];
        ensure!(target["health"] == "up", "{}: {target}", self.name);
        ensure!(target["lastError"] == "", "{}: {target}", self.name);
        self.within("min_over_time(up[30s])", 1.0, 1.0)
    }

    fn check_counters(&self, context: &Context) -> Result<()> {
        let range = (RATE * 0.8, RATE * 1.2);
        self.within("rate(tcp_echo_sent_total[5s])", range.0, range.1)?;
        self.within("rate(tcp_echo_received_total[5s])", range.0, range.1)?;
        self.within(
            "rate(tcp_echo_server_echoed_bytes_total[5s])",
            range.0 * 16.0,
            range.1 * 16.0,
        )?;
        self.within("tcp_echo_connected", 1.0, 1.0)?;
        self.within("tcp_echo_server_connections", 1.0, 1.0)?;
        self.within("tcp_echo_connects_total", 1.0, 1.0)?;
        self.within("tcp_echo_up", 1.0, 1.0)?;
        self.within("tcp_echo_loss_percent", 0.0, 0.0)?;
        self.within("tcp_echo_last_rtt_seconds", 1e-6, 0.1)?;
        self.within(
            "tcp_echo_sent_total - tcp_echo_received_total - tcp_echo_timeouts_total - tcp_echo_in_flight",
            0.0,
            0.0,
        )?;
        let rtt =
            self.value("rate(tcp_echo_rtt_seconds_sum[5s]) / rate(tcp_echo_rtt_seconds_count[5s])");
        if let Ok(rtt) = rtt {
            context.note(format!("{}: mean RTT {:.0} µs", self.name, rtt * 1e6));
        }
        Ok(())
    }

    fn within(&self, query: &str, min: f64, max: f64) -> Result<()> {
        let value = self.value(query)?;
        ensure!(
            (min..=max).contains(&value),
            "{}: {query} is {value}, not in {min} to {max}",
            self.name
        );
        Ok(())
    }

    /// Returns the value of the first series in a query's result.
    pub(super) fn value(&self, query: &str) -> Result<f64> {
        let response = self.json(&format!("/api/v1/query?query={}", encode(query)))?;
        let value = response["data"]["result"][0]["value"][1].as_str();
        let value = value.with_context(|| format!("{}: {query}: {response}", self.name))?;
        Ok(value.parse()?)
    }

    pub(super) fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.api.get(path)?)?)
    }
}

pub(super) fn encode(query: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(escape).collect()
}
