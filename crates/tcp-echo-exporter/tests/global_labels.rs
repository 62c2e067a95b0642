//! Labels of every series.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;
#[path = "common/messages.rs"]
mod messages;

use std::{sync::Arc, time::Duration};

use common::{BUILD, Driven, request, serve, target};
use tcp_echo_exporter::{
    Endpoints, GlobalLabel, GlobalLabels, LookupStats, ReloadStatus, SeriesSet, SourceStatus,
    TargetMetrics,
};
use tcp_echo_prober::SocketStats;
use tcp_echo_server::ServerStats;

const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str = "Accept: application/vnd.google.protobuf; \
     proto=io.prometheus.client.MetricFamily; encoding=delimited";

fn labels() -> GlobalLabels {
    let labels = [
        r#"region=eu "west""#.parse().unwrap(),
        "dc=ams".parse().unwrap(),
        GlobalLabel::source("sydney-dc").unwrap(),
    ];
    GlobalLabels::new(labels).unwrap()
}

/// Everything that has series, without labels of all and with them.
fn endpoints(metrics: &TargetMetrics) -> Endpoints {
    let source = SourceStatus {
        source: "dns+web.example.net:4000".into(),
        targets: 3,
        last_success: None,
    };
    Endpoints::new(BUILD)
        .with_targets(metrics.clone())
        .with_sockets(SocketStats::default())
        .with_server(Arc::new(ServerStats::default()))
        .with_lookups(Arc::new(LookupStats::default()))
        .with_dropped_log_lines(|| 0)
        .with_sources(move || vec![source.clone()])
        .with_reload_status(ReloadStatus::loaded(std::time::UNIX_EPOCH))
}

fn attached(metrics: &TargetMetrics) -> [Driven; 2] {
    let one = target("192.0.2.1:4000").named("one");
    let two = target("192.0.2.2:4000")
        .named("two")
        .with_label("dc", "fra");
    [one, two].map(|target| {
        let mut driven = Driven::attach(metrics, &target);
        driven.connect("192.0.2.1:4000");
        driven.send();
        driven.reply(Duration::from_millis(1));
        driven
    })
}

/// The labels of a line in a text format.
fn labels_of(line: &str) -> &str {
    match line.split_once('{') {
        Some((_, rest)) => rest.rsplit_once('}').unwrap().0,
        None => "",
    }
}

#[tokio::test]
async fn every_series_has_them_once() {
    for series in [SeriesSet::All, SeriesSet::Standard, SeriesSet::Minimal] {
        let metrics = TargetMetrics::with_series(tcp_echo_exporter::Buckets::default(), series);
        let _driven = attached(&metrics);
        let (plain, _plain_tasks) = serve(endpoints(&metrics)).await;
        let (address, _tasks) = serve(endpoints(&metrics).with_labels(labels())).await;
        for accept in ["Accept: */*", OPEN_METRICS] {
            let plain = request(plain, "GET", "/metrics", &[accept]).await;
            let answer = request(address, "GET", "/metrics", &[accept]).await;
            let samples = |text: &str| {
                let samples = text.lines().filter(|line| !line.starts_with('#'));
                samples.map(str::to_owned).collect::<Vec<_>>()
            };
            let lines = samples(answer.text());
            assert_eq!(lines.len(), samples(plain.text()).len());
            for line in &lines {
                let labels = labels_of(line);
                let has = |label: &str| labels.matches(label).count();
                assert_eq!(has(r#"region="eu \"west\"""#), 1, "{line}");
                let dc = if labels.contains(r#"target="two""#) {
                    "fra"
                } else {
                    "ams"
                };
                assert_eq!(
                    (has("dc=\""), has(&format!("dc=\"{dc}\""))),
                    (1, 1),
                    "{line}"
                );
                // A source of targets is named by the same label.
                let source = if line.starts_with("tcp_echo_discovery_") {
                    "dns+web.example.net:4000"
                } else {
                    "sydney-dc"
                };
                assert_eq!(has("source=\""), 1, "{line}");
                assert_eq!(has(&format!("source=\"{source}\"")), 1, "{line}");
            }
        }
    }
}

#[tokio::test]
async fn protobuf_has_them_too() {
    let metrics = TargetMetrics::new();
    let _driven = attached(&metrics);
    let (address, _tasks) = serve(endpoints(&metrics).with_labels(labels())).await;
    let answer = request(address, "GET", "/metrics", &[PROTOBUF]).await;
    let families = messages::decode(&answer.body).unwrap();
    assert!(families.len() > 40, "{}", families.len());
    for family in families {
        for metric in family.metric {
            let mut names: Vec<&str> = metric.label.iter().map(|pair| &*pair.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", family.name);
            for name in ["region", "dc", "source"] {
                assert!(names.contains(&name), "{} without {name}", family.name);
            }
        }
    }
}

#[tokio::test]
async fn without_any_nothing_changes() {
    let metrics = TargetMetrics::new();
    let _driven = attached(&metrics);
    let (plain, _plain_tasks) = serve(endpoints(&metrics)).await;
    let none = GlobalLabels::new([]).unwrap();
    let (address, _tasks) = serve(endpoints(&metrics).with_labels(none)).await;
    let ours = |text: &str| {
        let ours = text.lines().filter(|line| !line.contains("process_"));
        ours.map(str::to_owned).collect::<Vec<_>>()
    };
    let plain = request(plain, "GET", "/metrics", &[]).await;
    let answer = request(address, "GET", "/metrics", &[]).await;
    assert_eq!(ours(answer.text()), ours(plain.text()));
}

#[cfg(feature = "page")]
#[tokio::test]
async fn the_api_shows_them_with_those_of_a_target() {
    let metrics = TargetMetrics::new();
    let _driven = attached(&metrics);
    let (address, _tasks) = serve(endpoints(&metrics).with_labels(labels())).await;
    let answer = common::get(address, "/api/v1/targets").await;
    let list: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let labels = |index: usize| list["targets"][index]["labels"].clone();
    let region = "eu \"west\"";
    assert_eq!(
        labels(0),
        serde_json::json!({"dc": "ams", "region": region, "source": "sydney-dc"})
    );
    assert_eq!(
        labels(1),
        serde_json::json!({"dc": "fra", "region": region, "source": "sydney-dc"})
    );
}
