//! Runs every query of the dashboards, the rules and the documentation against a prober with a
//! healthy, a lossy and a dead target, and checks that each has data.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcp_echo_dashboards::{
    DOCUMENTED, Query, boards, metrics, of_board, of_markdown, rule_files, text,
};
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::exposition::Scrape;
use testkit::process::Process;
use testkit::{ports, wait};

use super::certificates::curl;
use super::prometheus::Prometheus;
use super::web_config::{self, certificate};
use crate::runner::{PLAIN, Scenario};
use lossy::LossyPeer;

mod lossy;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "dashboards, rules and documented queries",
    tools: &[
        ("prometheus", "prometheus"),
        ("promtool", "prometheus"),
        ("curl", "curl"),
        ("openssl", "openssl"),
    ],
    run,
    ..PLAIN
}];

/// Queries that may have no data here, and why.
const EMPTY: &[(&str, &str)] = &[
    (
        "TcpEchoExporterAbsent",
        "it has data only while there is no exporter",
    ),
    (
        "TCP echo: all targets: Links with most votes",
        "no flow is bad",
    ),
    ("link:tcp_echo_link_votes:rate5m", "no flow is bad"),
];

/// The number of scrapes to wait for: enough for every rate, and for a few disconnects of the lossy peer.
const SCRAPES: f64 = 20.0;

fn run(context: &Context) -> Result<()> {
    let lossy = LossyPeer::start()?;
    let (listen, dead) = (ports::free()?, ports::free()?);
    let list = context.file("targets.json", "[]")?;
    let flags = [
        "-mode=both".to_owned(),
        format!("-listen={listen}"),
        format!("-target=db=localhost:{}", listen.port()),
        format!("-target=web={}", lossy.address),
        format!("-target=old={dead}"),
        format!("-targets={}", list.display()),
        "-interval=20ms".to_owned(),
        "-dns-refresh=500ms".to_owned(),
        "-timeout=200ms".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let echo = Echo::start(context, &flags)?;
    let (secure, _process) = secure(context)?;
    let live = Live::start(context, &echo, secure)?;
    let scrapes = [echo.scrape()?, Scrape::parse(&curl(secure))?];

    let mut count = 0;
    for (_, board) in boards()? {
        for query in of_board(&board) {
            metrics_exist(&query, &scrapes)?;
            count += live.panel(&query)?;
        }
    }
    let documented = text(DOCUMENTED)?;
    for query in of_markdown(&documented)? {
        metrics_exist(&query, &scrapes)?;
        let found = live.classic.data(&query.expr)? + live.native.data(&query.expr)?;
        has_data(&query.place, &query.expr, found)?;
        count += 1;
    }
    count += live.rules(&scrapes)?;
    live.alerts()?;
    context.note(format!("{count} queries have data"));
    Ok(())
}

/// Starts a server with a TLS certificate, for the metrics about certificates.
fn secure(context: &Context) -> Result<(SocketAddr, Process)> {
    let address = ports::free()?;
    let identity = certificate(context, "secure", address, None)?;
    let config = format!(
        "tls_server_config: {{cert_file: '{}', key_file: '{}'}}",
        identity.cert.display(),
        identity.key.display()
    );
    let config = context.file("web.yml", &config)?;
    let process = web_config::start(context, address, &config)?;
    wait::until("a response over TLS", Duration::from_secs(10), || {
        (!curl(address).is_empty()).then_some(())
    })?;
    Ok((address, process))
}

/// Two instances of Prometheus, since this version stores either classic or native histograms.
struct Live {
    classic: Prometheus,
    native: Prometheus,
    instance: String,
}

impl Live {
    fn start(context: &Context, echo: &Echo, secure: SocketAddr) -> Result<Self> {
        let instance = echo.metrics.address.to_string();
        let config = |rules: &str| {
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [{rules}]\n\
                 scrape_configs:\n\
                 - {{job_name: tcp-echo, static_configs: [{{targets: ['{instance}']}}]}}\n\
                 - {{job_name: secure, scheme: https, tls_config: {{insecure_skip_verify: true}}, \
                    static_configs: [{{targets: ['{secure}']}}]}}\n"
            )
        };
        let classic = config(&immediate_rules(context)?);
        let classic = Prometheus::start_with(context, "classic", &classic, &[])?;
        let features = ["--enable-feature=native-histograms"];
        let native = Prometheus::start_with(context, "native", &config(""), &features)?;
        for prometheus in [&classic, &native] {
            let scraped = || {
                let scrapes = prometheus.value("min(count_over_time(up[5m]))").ok()?;
                (scrapes >= SCRAPES).then_some(())
            };
            wait::until("scrapes", Duration::from_secs(60), scraped)?;
        }
        Ok(Self {
            classic,
            native,
            instance,
        })
    }

    /// Runs a dashboard query with all values of its variables; returns the number of queries.
    fn panel(&self, query: &Query) -> Result<usize> {
        let histograms = [
            (&self.classic, "tcp_echo_rtt_seconds_bucket"),
            (&self.native, "tcp_echo_rtt_seconds"),
        ];
        let is_histogram = query.expr.contains("${rtt}");
        let mut count = 0;
        for (prometheus, rtt) in histograms.into_iter().take(1 + usize::from(is_histogram)) {
            let (mut found, mut last) = (0, String::new());
            for target in [".*", "db", "web", "old"] {
                last = substitute(
                    &without_filters(&query.expr),
                    &[
                        ("rtt", rtt),
                        ("job", "tcp-echo"),
                        ("instance", &self.instance),
                        ("target", target),
                        ("__rate_interval", "10s"),
                        ("__range", "1m"),
                    ],
                );
                found += prometheus.data(&last)?;
            }
            has_data(&query.place, &last, found)?;
            count += 1;
        }
        Ok(count)
    }

    /// Checks that every rule evaluates, that recording rules have data, and that the metrics compared
    /// by alerts exist.
    fn rules(&self, scrapes: &[Scrape]) -> Result<usize> {
        let answer = self.classic.json("/api/v1/rules")?;
        let groups = answer["data"]["groups"].as_array().context("no groups")?;
        let mut count = 0;
        for rule in groups
            .iter()
            .filter_map(|group| group["rules"].as_array())
            .flatten()
        {
            let place = rule["name"]
                .as_str()
                .context("rule without a name")?
                .to_owned();
            let expr = rule["query"]
                .as_str()
                .context("rule without a query")?
                .to_owned();
            ensure!(rule["health"] == "ok", "{place}: {rule}");
            let query = Query { place, expr };
            metrics_exist(&query, scrapes)?;
            has_data(
                &query.place,
                &query.expr,
                self.classic.data(&without_filters(&query.expr))?,
            )?;
            count += 1;
        }
        Ok(count)
    }

    /// Checks which alerts fire for which targets.
    fn alerts(&self) -> Result<()> {
        let firing = self.classic.query("ALERTS{alertstate=\"firing\"}")?;
        let of = |name: &str| -> BTreeSet<&str> {
            let matches = |alert: &&Value| alert["metric"]["alertname"] == name;
            let alerts = firing.iter().filter(matches);
            alerts
                .filter_map(|alert| alert["metric"]["target"].as_str())
                .collect()
        };
        for (alert, target) in [
            ("TcpEchoTargetDown", "old"),
            ("TcpEchoLossHigh", "web"),
            ("TcpEchoConnectionFlapping", "web"),
        ] {
            ensure!(
                of(alert).contains(target),
                "{alert} does not fire for {target}"
            );
        }
        for (alert, target) in [
            ("TcpEchoTargetDown", "db"),
            ("TcpEchoTargetDown", "web"),
            ("TcpEchoConnectionFlapping", "db"),
        ] {
            ensure!(!of(alert).contains(target), "{alert} fires for {target}");
        }
        Ok(())
    }
}

impl Prometheus {
    /// Returns the number of series in the result that have a finite value.
    fn data(&self, expr: &str) -> Result<usize> {
        let is_number = |series: &&Value| {
            let value = series["value"][1]
                .as_str()
                .and_then(|value| value.parse().ok());
            value.is_some_and(f64::is_finite) || series["histogram"].is_array()
        };
        Ok(self.query(expr)?.iter().filter(is_number).count())
    }

    fn query(&self, expr: &str) -> Result<Vec<Value>> {
        let answer = self
            .json(&format!(
                "/api/v1/query?query={}",
                super::prometheus::encode(expr)
            ))
            .with_context(|| expr.to_owned())?;
        let result = answer["data"]["result"].as_array();
        Ok(result.with_context(|| format!("{expr}: {answer}"))?.clone())
    }
}

/// Copies the rules without `for` and `interval`, so that they are evaluated often and fire at once;
/// returns the paths.
fn immediate_rules(context: &Context) -> Result<String> {
    let mut copies = Vec::new();
    for file in rule_files()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&file)?;
        let lines = text.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("for: ") && !line.starts_with("interval: ")
        });
        let lines: Vec<&str> = lines.collect();
        let copy = context.file(&name, &lines.join("\n"))?;
        copies.push(copy.display().to_string());
    }
    Ok(copies.join(", "))
}

/// Replaces the variables in a query, written `$name` or `${name}`, with values.
fn substitute(expr: &str, values: &[(&str, &str)]) -> String {
    let mut text = expr.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("${{{name}}}"), value);
        text = text.replace(&format!("${name}"), value);
    }
    text
}

/// Adds `bool` to comparisons, so that they return 0 or 1 instead of filtering. The part after
/// `unless` is kept, since `unless` excludes series whatever their value.
fn without_filters(expr: &str) -> String {
    let (kept, excluded) = match expr.split_once(" unless ") {
        Some((kept, excluded)) => (kept, format!(" unless {excluded}")),
        None => (expr, String::new()),
    };
    let kept = [">", "<", "=="].iter().fold(kept.to_owned(), |expr, sign| {
        expr.replace(&format!(" {sign} "), &format!(" {sign} bool "))
            .replace(" bool bool ", " bool ")
    });
    kept + &excluded
}

/// Checks that the program exports every metric in the query.
fn metrics_exist(query: &Query, scrapes: &[Scrape]) -> Result<()> {
    let place = &query.place;
    for metric in metrics(&query.expr) {
        ensure!(
            scrapes.iter().any(|scrape| scrape.kind(metric).is_some()) || may_be_empty(place),
            "{place}: there is no metric {metric}"
        );
    }
    Ok(())
}

fn has_data(place: &str, expr: &str, found: usize) -> Result<()> {
    ensure!(
        found > 0 || may_be_empty(place),
        "{place}: no data for {expr}"
    );
    Ok(())
}

fn may_be_empty(place: &str) -> bool {
    EMPTY.iter().any(|(name, _)| *name == place)
}

#[cfg(test)]
mod tests {
    use super::{substitute, without_filters};

    #[test]
    fn variables_are_substituted() {
        let expr = "rate(${rtt}{job=~\"$job\"}[$__rate_interval])";
        let values = [("rtt", "m_bucket"), ("job", "j"), ("__rate_interval", "5s")];
        assert_eq!(substitute(expr, &values), "rate(m_bucket{job=~\"j\"}[5s])");
    }

    #[test]
    fn comparisons_do_not_filter() {
        assert_eq!(
            without_filters("a > 1 and b == 0"),
            "a > bool 1 and b == bool 0"
        );
        assert_eq!(
            without_filters("a > bool 1 or b >= 0"),
            "a > bool 1 or b >= 0"
        );
        assert_eq!(
            without_filters("a > 1 unless b > 2"),
            "a > bool 1 unless b > 2"
        );
    }
}
