//! The contents of `/metrics`.

mod common;
#[path = "common/messages.rs"]
mod messages;

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{BUILD, Driven, INTERVAL, Response, TIMEOUT, get, request, serve, target};
use tcp_echo_episodes::Episodes;
use tcp_echo_exporter::{
    Buckets, Endpoints, LookupStats, ReloadStatus, SeriesSet, SourceStatus, TargetMetrics,
};
use tcp_echo_prober::{
    Cause, ConnectFailure, DisconnectReason, Episode, Event, Excess, Identity, Observer as _,
    Paths, Sensor as _, Session, SessionConfig, SocketStats, Target, TcpInfo, UnsentReason,
};
use tcp_echo_server::ServerStats;
use tcp_echo_wire::Segments;

const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// A target to which every event has happened once.
fn known_state(metrics: &TargetMetrics) -> Driven {
    let target = target("echo.example.net:4000")
        .named("paris")
        .with_label("dc", "par1");
    let mut driven = Driven::attach_greeted(metrics, &target);
    driven.peer_segments = Segments { sent: 50, lost: 5 };
    driven.connect("192.0.2.1:4000");
    for micros in [120, 250, 900] {
        driven.send();
        driven.reply(Duration::from_micros(micros));
    }
    driven.send();
    driven.wait(TIMEOUT);
    driven.poll();
    driven.reply(Duration::ZERO);
    let info = driven.session.handle_tcp_info(
        Instant::now(),
        TcpInfo {
            srtt: Duration::from_micros(300),
            rttvar: Duration::from_micros(40),
            min_rtt: Some(Duration::from_micros(110)),
            retransmits: 2,
            segments: Some(Segments { sent: 80, lost: 2 }),
            ..TcpInfo::default()
        },
    );
    driven.observe(&info);
    // The answer of the peer comes before the next slot.
    driven.send();
    driven.observe(&Event::Excess(Excess {
        prober: Duration::from_millis(1),
        forward: Duration::from_millis(30),
        peer: Duration::from_nanos(1_000_001),
        reverse: Duration::from_millis(1500),
    }));
    driven.observe(&Event::SoftError);
    driven.observe(&Event::ConnectFailed {
        reason: ConnectFailure::Refused,
    });
    driven
}

fn without_process(text: &str) -> String {
    let ours = |line: &&str| !line.contains("process_");
    text.lines()
        .filter(ours)
        .map(|l| l.to_owned() + "\n")
        .collect()
}

fn full(metrics: &TargetMetrics) -> Endpoints {
    Endpoints::new(BUILD)
        .with_targets(metrics.clone().with_paths(Paths::default(), None))
        .with_sockets(SocketStats::default())
        .with_server(Arc::new(ServerStats::default()))
        .with_lookups(Arc::new(LookupStats::default()))
        .with_tls_cert_expiry(|| Some(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000)))
        .with_sources(|| {
            let known = SourceStatus {
                source: "dns+web.example.net:4000".into(),
                targets: 3,
                last_success: Some(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
            };
            let unknown = SourceStatus {
                source: "srv+\"odd\"".into(),
                targets: 0,
                last_success: None,
            };
            vec![known, unknown]
        })
        .with_reload_status(ReloadStatus::loaded(
            std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        ))
}

async fn scrape(accept: &str, metrics: &TargetMetrics) -> Response {
    let (address, _tasks) = serve(full(metrics)).await;
    let accept = format!("Accept: {accept}");
    request(address, "GET", "/metrics", &[&accept]).await
}

#[tokio::test]
async fn text() {
    let metrics = with_series(SeriesSet::All);
    let _driven = known_state(&metrics);
    let answer = scrape("*/*", &metrics).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    insta::assert_snapshot!(without_process(answer.text()));
}

#[tokio::test]
async fn openmetrics() {
    let metrics = with_series(SeriesSet::All);
    let _driven = known_state(&metrics);
    let answer = scrape("application/openmetrics-text;version=1.0.0", &metrics).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    insta::assert_snapshot!(without_process(answer.text()));
}

#[tokio::test]
async fn protobuf_carries_a_native_histogram_too() {
    let metrics = with_series(SeriesSet::All);
    let _driven = known_state(&metrics);
    let answer = scrape(PROTOBUF, &metrics).await;
    assert_eq!(answer.header("content-type"), Some(PROTOBUF));
    let families = messages::decode(&answer.body).unwrap();
    let named = |name: &str| families.iter().find(|family| family.name == name).unwrap();
    let rtt = &named("tcp_echo_rtt_seconds").metric[0];
    let rtt = rtt.histogram.as_ref().unwrap();
    assert_eq!((rtt.sample_count, rtt.bucket.len(), rtt.schema), (3, 16, 3));
    assert_eq!(rtt.zero_count, 0);
    // 120, 250 and 900 µs lie apart, one each: three runs of one bucket.
    assert_eq!(rtt.positive_delta, [1, 0, 0]);
    let offsets: Vec<_> = rtt
        .positive_span
        .iter()
        .map(|s| (s.offset, s.length))
        .collect();
    assert_eq!(offsets, [(-104, 1), (8, 1), (14, 1)]);
    let sent = named("tcp_echo_sent_total").metric[0].counter.as_ref();
    assert!((sent.unwrap().value - 6.0).abs() < f64::EPSILON);
    let ours = families
        .iter()
        .filter(|family| !family.name.starts_with("process_"));
    assert_eq!(ours.count(), 54);
}

fn with_series(series: SeriesSet) -> TargetMetrics {
    TargetMetrics::with_series(Buckets::default(), series).with_episodes(Episodes::default())
}

/// The series of targets and of the prober's own host.
fn of_targets(text: &str) -> String {
    let other = [" tcp_echo_server", " tcp_echo_dns", " tcp_echo_discovery"];
    let ours = |line: &&str| {
        let name = format!(
            " {}",
            line.trim_start_matches("# HELP ")
                .trim_start_matches("# TYPE ")
        );
        !other.iter().any(|other| name.starts_with(other))
    };
    text.lines()
        .skip_while(|line| !line.contains("tcp_echo_sent"))
        .filter(ours)
        .map(|line| line.to_owned() + "\n")
        .collect()
}

#[tokio::test]
async fn a_peer_that_says_who_it_is_has_labels() {
    let metrics = with_series(SeriesSet::All);
    let mut driven = Driven::attach(&metrics, &target(":4000").named("paris"));
    let labels = async || {
        let text = scrape("*/*", &metrics).await.text().to_owned();
        let sent = text
            .lines()
            .find(|line| line.starts_with("tcp_echo_sent_total{"));
        sent.unwrap().to_owned()
    };
    let identity = |node, zone| Event::PeerIdentity(Arc::new(Identity::new(node, zone).unwrap()));
    for (event, expected) in [
        (identity("a-1", "b"), r#",peer_node="a-1",peer_zone="b"}"#),
        (identity("", "c"), r#",peer_zone="c"}"#),
        (identity("", ""), "}"),
    ] {
        driven.observe(&event);
        let start = r#"tcp_echo_sent_total{target="paris""#;
        assert_eq!(labels().await, format!("{start}{expected} 0"));
    }
}

#[tokio::test]
async fn the_standard_set() {
    let metrics = with_series(SeriesSet::Standard);
    let _driven = known_state(&metrics);
    let two_flows = target(":4000").named("lyon");
    let _flow = metrics.attach(&two_flows.with_flows(2.try_into().unwrap()));
    let answer = scrape("*/*", &metrics).await;
    let text = of_targets(&without_process(answer.text()));
    let series = |target: &str| {
        let of_target = format!("{{target=\"{target}\"");
        text.lines()
            .filter(|line| line.contains(&of_target))
            .count()
    };
    assert_eq!((series("paris"), series("lyon")), (34, 39));
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn the_minimal_set() {
    let metrics = with_series(SeriesSet::Minimal);
    let _driven = known_state(&metrics);
    let answer = scrape("*/*", &metrics).await;
    let text = of_targets(&without_process(answer.text()));
    let series = text.lines().filter(|line| line.contains("{target="));
    assert_eq!(series.count(), 10);
    insta::assert_snapshot!(text);

    let openmetrics = scrape("application/openmetrics-text", &metrics).await;
    let samples = |text: &str| {
        let sample = |line: &&str| line.contains("target=");
        let lines = text.lines().filter(sample).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(samples(openmetrics.text()), samples(answer.text()));
    assert!(openmetrics.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_minimal_set_has_a_native_histogram_in_protobuf() {
    let metrics = with_series(SeriesSet::Minimal);
    let _driven = known_state(&metrics);
    let answer = scrape(PROTOBUF, &metrics).await;
    let families = messages::decode(&answer.body).unwrap();
    let of_target = |family: &&messages::MetricFamily| {
        let mut labels = family.metric.iter().flat_map(|metric| &metric.label);
        labels.any(|label| label.name == "target")
    };
    let names: Vec<_> = families
        .iter()
        .filter(of_target)
        .map(|f| &*f.name)
        .collect();
    assert_eq!(
        names,
        [
            "tcp_echo_sent_total",
            "tcp_echo_received_total",
            "tcp_echo_timeouts_total",
            "tcp_echo_unsent_total",
            "tcp_echo_loss_ratio",
            "tcp_echo_rtt_seconds",
            "tcp_echo_connected",
        ]
    );
    let rtt = families.iter().find(|f| f.name == "tcp_echo_rtt_seconds");
    let rtt = rtt.unwrap().metric[0].histogram.as_ref().unwrap();
    assert!(rtt.bucket.is_empty());
    assert_eq!((rtt.sample_count, rtt.schema), (3, 3));
    assert!((rtt.sample_sum - 0.00127).abs() < 1e-12);
    assert_eq!(rtt.positive_delta, [1, 0, 0]);
}

#[tokio::test]
async fn a_window_without_a_reply_has_no_quantile() {
    let metrics = with_series(SeriesSet::Minimal);
    let window = NonZeroU32::new(2).unwrap();
    let session = SessionConfig::new(INTERVAL, TIMEOUT).unwrap();
    let session = session.with_window(window);
    let target = Target::new(":4000".parse().unwrap(), session);
    let mut driven = Driven::attach(&metrics, &target);
    let quantiles = async || {
        let answer = scrape("*/*", &metrics).await;
        let name = "tcp_echo_rtt_quantile_seconds{target=\":4000\",quantile=";
        let lines = answer.text().lines();
        let values = lines.filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        let values = values.map(|(_, value)| value.parse().unwrap());
        values.collect::<Vec<f64>>()
    };
    let is_absent = |quantiles: Vec<f64>| {
        assert_eq!(quantiles.len(), 3);
        quantiles.iter().all(|quantile| quantile.is_nan())
    };
    assert!(is_absent(quantiles().await));
    driven.connect("192.0.2.1:4000");
    driven.send();
    driven.reply(Duration::from_millis(10));
    for quantile in quantiles().await {
        assert!((quantile / 0.01 - 1.0).abs() < 0.1, "{quantile}");
    }
    // Two slots later the reply is no longer in the window.
    let unsent = Event::Unsent {
        reason: UnsentReason::Overrun,
        slots: 2,
    };
    driven.observe(&unsent);
    assert!(is_absent(quantiles().await));
}

fn episode(began: Instant, seconds: u64, ended: bool, cause: Cause) -> Event {
    Event::Episode(Episode {
        began,
        ended: ended.then(|| began + Duration::from_secs(seconds)),
        cause,
        slots_lost: 3,
    })
}

#[tokio::test]
async fn episodes_are_counted_by_cause_and_length_once_they_have_ended() {
    for (set, all, own) in [
        (SeriesSet::All, 144, 21),
        (SeriesSet::Standard, 34, 1),
        (SeriesSet::Minimal, 10, 0),
    ] {
        let episodes = Episodes::default();
        let metrics = with_series(set).with_episodes(episodes.clone());
        let new = target(":4000").named("new");
        let (_sensor, mut watch) = (metrics.attach(&new), episodes.attach(&new));
        let began = Instant::now()
            .checked_sub(Duration::from_secs(1000))
            .unwrap();
        let session = Session::new(new.session(), began);
        let series = async || {
            let answer = scrape("*/*", &metrics).await;
            let lines = answer.text().lines();
            let ours = lines.filter(|line| line.contains("target=\"new\""));
            let ours: Vec<_> = ours.map(str::to_owned).collect();
            assert_eq!(ours.len(), all);
            let of_episodes = ours.into_iter().filter(|line| line.contains("_episode"));
            of_episodes.collect::<Vec<_>>()
        };
        let before = series().await;
        assert_eq!(before.len(), own);
        let is_zero = |line: &String| line.ends_with(" 0") || line.ends_with(" 0.0");
        assert!(before.iter().all(is_zero), "{before:?}");
        watch.on_event(&episode(began, 0, false, Cause::Dns), &session);
        assert_eq!(series().await, before, "it lasts");
        watch.on_event(&episode(began, 7, true, Cause::Dns), &session);
        watch.on_event(&episode(began, 90, false, Cause::Path), &session);
        watch.on_event(&episode(began, 90, true, Cause::Path), &session);
        let after = series().await;
        let changed: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        let expected: &[&str] = match set {
            SeriesSet::All => &[
                r#"tcp_echo_episodes_total{target="new",cause="dns"} 1"#,
                r#"tcp_echo_episodes_total{target="new",cause="path"} 1"#,
                r#"tcp_echo_episode_seconds_bucket{target="new",le="10"} 1"#,
                r#"tcp_echo_episode_seconds_bucket{target="new",le="60"} 1"#,
                r#"tcp_echo_episode_seconds_bucket{target="new",le="600"} 2"#,
                r#"tcp_echo_episode_seconds_bucket{target="new",le="3600"} 2"#,
                r#"tcp_echo_episode_seconds_bucket{target="new",le="+Inf"} 2"#,
                r#"tcp_echo_episode_seconds_sum{target="new"} 97.0"#,
                r#"tcp_echo_episode_seconds_count{target="new"} 2"#,
            ],
            SeriesSet::Standard => &[r#"tcp_echo_episodes_total{target="new"} 2"#],
            SeriesSet::Minimal => &[],
        };
        assert_eq!(changed, expected);
    }
}

#[tokio::test]
async fn a_target_has_all_its_series_from_attach_to_drop() {
    let metrics = with_series(SeriesSet::All);
    let (address, _tasks) = serve(full(&metrics)).await;
    let series = async || {
        let answer = get(address, "/metrics").await;
        let ours = |line: &&str| line.contains("target=\"new\"");
        answer
            .text()
            .lines()
            .filter(ours)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(series().await, Vec::<String>::new());
    let sensor = metrics.attach(&target(":4000").named("new"));
    let found = series().await;
    assert_eq!(found.len(), 144);
    for line in &found {
        let ones = ["tcp_echo_target_info", "tcp_echo_flows{"];
        let is_one = ones.iter().any(|name| line.starts_with(name));
        let expected = f64::from(u8::from(is_one));
        let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!((value - expected).abs() < f64::EPSILON, "{line}");
    }
    for reason in UnsentReason::ALL {
        let wanted = format!("tcp_echo_unsent_total{{target=\"new\",reason=\"{reason}\"}} 0");
        assert!(found.contains(&wanted), "{wanted}");
    }
    // Another target of that name is attached before the first one is dropped.
    let next = metrics.attach(&target(":4001").named("new"));
    assert_eq!(series().await.len(), 144);
    drop(sensor);
    assert_eq!(series().await.len(), 144);
    drop(next);
    assert_eq!(series().await, Vec::<String>::new());
}

#[tokio::test]
async fn without_targets_or_server_there_are_none_of_their_series() {
    let (address, _tasks) = serve(Endpoints::new(BUILD)).await;
    let answer = get(address, "/metrics").await;
    let text = without_process(answer.text());
    let names: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        names,
        [
            "tcp_echo_up 1",
            "tcp_echo_build_info{version=\"1.2.3\",revision=\"0123456\",rustversion=\"1.88.0\"} 1",
        ]
    );
    #[cfg(target_os = "linux")]
    for name in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_virtual_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_start_time_seconds ",
        "process_threads ",
    ] {
        let mut lines = answer.text().lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(
            line.parse::<f64>().unwrap() > 0.0 || name.contains("cpu"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn hostile_names_stay_within_their_quotes() {
    let metrics = with_series(SeriesSet::All);
    let name = "a\"b\\c\nd</script>é🦀";
    let nasty = target("h:1").named(name).with_label("le", "x\"}\n# EOF");
    let _sensor = metrics.attach(&nasty);
    for accept in ["text/plain", "application/openmetrics-text"] {
        let answer = scrape(accept, &metrics).await;
        let wanted =
            r#"tcp_echo_sent_total{target="a\"b\\c\nd</script>é🦀",exported_le="x\"}\n# EOF"} 0"#;
        assert!(answer.text().lines().any(|line| line == wanted), "{accept}");
    }
}

#[tokio::test]
async fn a_lost_connection_shows_and_keeps_its_probes_in_flight() {
    let metrics = with_series(SeriesSet::All);
    let mut driven = known_state(&metrics);
    let event = driven.session.handle_disconnected(DisconnectReason::Reset);
    driven.observe(&event);
    let answer = scrape("*/*", &metrics).await;
    for line in [
        "tcp_echo_connected{target=\"paris\",dc=\"par1\"} 0",
        "tcp_echo_in_flight{target=\"paris\",dc=\"par1\"} 2",
        "tcp_echo_disconnects_total{target=\"paris\",dc=\"par1\",reason=\"reset\"} 1",
        "tcp_echo_tcp_srtt_seconds{target=\"paris\",dc=\"par1\"} 0.0",
        "tcp_echo_tcp_retransmits_total{target=\"paris\",dc=\"par1\"} 2",
        "tcp_echo_target_info{target=\"paris\",dc=\"par1\",address=\"192.0.2.1:4000\"} 1",
    ] {
        assert!(answer.text().lines().any(|own| own == line), "{line}");
    }
}

#[tokio::test]
async fn a_failed_reload_shows_until_the_next_succeeds() {
    let at = |seconds| std::time::UNIX_EPOCH + Duration::from_secs(seconds);
    let status = ReloadStatus::loaded(at(1));
    let endpoints = Endpoints::new(BUILD).with_reload_status(status.clone());
    let (address, _tasks) = serve(endpoints).await;
    let check = async |successful: &str, last: &str| {
        let answer = get(address, "/metrics").await;
        for line in [
            format!("tcp_echo_config_last_reload_successful {successful}"),
            format!("tcp_echo_config_last_reload_success_timestamp_seconds {last}"),
        ] {
            assert!(answer.text().lines().any(|own| own == line), "{line}");
        }
    };
    check("1", "1.0").await;
    status.failed();
    check("0", "1.0").await;
    status.succeeded(at(3));
    check("1", "3.0").await;
}

#[tokio::test]
async fn an_adaptive_timeout_has_a_series() {
    let metrics = with_series(SeriesSet::All);
    let session = SessionConfig::new(INTERVAL, Duration::from_secs(1)).unwrap();
    let named = |name: &str, session: SessionConfig| {
        Target::new("192.0.2.1:4000".parse().unwrap(), session).named(name)
    };
    let _fixed = Driven::attach(&metrics, &named("fixed", session.clone()));
    let name = "tcp_echo_estimated_timeout_seconds";
    assert!(!scrape("*/*", &metrics).await.text().contains(name));
    let session = session.with_adaptive_timeout().unwrap();
    let mut driven = Driven::attach(&metrics, &named("adaptive", session));
    let line = |value: &str| format!("{name}{{target=\"adaptive\"}} {value}\n");
    let text = scrape("*/*", &metrics).await.text().to_owned();
    assert!(text.contains(&line("1.0")), "{text}");
    driven.connect("192.0.2.1:4000");
    driven.send();
    driven.reply(Duration::from_millis(100));
    let text = scrape("*/*", &metrics).await.text().to_owned();
    assert!(text.contains(&line("0.3")), "{text}");
    // None of the other target.
    let samples = text.lines().filter(|line| line.starts_with(name));
    assert_eq!(samples.count(), 1);
}

#[tokio::test]
async fn custom_buckets_are_used() {
    let buckets = Buckets::new([1, 10].map(Duration::from_millis)).unwrap();
    let metrics = TargetMetrics::with_buckets(buckets);
    let _driven = known_state(&metrics);
    let answer = scrape("*/*", &metrics).await;
    let bucket = |line: &&str| line.starts_with("tcp_echo_rtt_seconds_bucket");
    let lines: Vec<_> = answer.text().lines().filter(bucket).collect();
    assert_eq!(
        lines,
        [
            "tcp_echo_rtt_seconds_bucket{target=\"paris\",dc=\"par1\",le=\"0.001\"} 3",
            "tcp_echo_rtt_seconds_bucket{target=\"paris\",dc=\"par1\",le=\"0.01\"} 3",
            "tcp_echo_rtt_seconds_bucket{target=\"paris\",dc=\"par1\",le=\"+Inf\"} 3",
        ]
    );
}
