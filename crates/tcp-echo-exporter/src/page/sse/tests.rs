use tcp_echo_prober::{Event, Observer as _, Sensor as _, Session, SessionConfig, Target};

use super::*;
use crate::TargetMetrics;

fn target(name: &str) -> Target {
    let times = (Duration::from_millis(200), Duration::from_millis(800));
    let config = SessionConfig::new(times.0, times.1).unwrap();
    Target::new("192.0.2.1:1".parse().unwrap(), config).named(name)
}

fn json(event: &Bytes) -> serde_json::Value {
    let text = event.strip_prefix(b"data: ").unwrap();
    serde_json::from_slice(text.strip_suffix(b"\n\n").unwrap()).unwrap()
}

#[test]
fn only_changes_are_sent() {
    let metrics = TargetMetrics::new();
    let (a, b) = (target("a"), target("b\n\ndata: x"));
    let mut sensor = metrics.attach(&a);
    let other = metrics.attach(&b);
    let history = History::new(metrics, 1 << 20);
    let mut page = PageState::default();
    let mut update = |query: &TargetsQuery| {
        let view = Arc::new(View::of(&history));
        json(&page.update(&view, query).unwrap())
    };
    let all = TargetsQuery::default();
    let first = update(&all);
    assert_eq!(first["tally"]["untried"], 2);
    assert_eq!(first["order"].as_array().unwrap().len(), 2);
    assert_eq!(first["rows"][0]["head"][0], "a");
    assert_eq!(first["rows"][1]["head"][0], "b\n\ndata: x");
    let id = &first["rows"][0]["id"];

    let still = update(&all);
    assert_eq!(still["rows"], serde_json::json!([]));
    assert_eq!(still.get("order"), None);

    let connected = Event::Connected {
        address: "192.0.2.1:1".parse().unwrap(),
        handshake: Duration::from_micros(100),
    };
    sensor.on_event(&connected, &Session::new(a.session(), Instant::now()));
    let up = update(&all);
    assert_eq!(up["rows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&up["rows"][0]["id"], &up["rows"][0]["health"]),
        (id, &"up".into())
    );
    assert_eq!(up["rows"][0].get("head"), None);
    // The other target is not up, so it comes first.
    assert_eq!(up["order"][1], *id);

    drop(other);
    let gone = update(&all);
    assert_eq!(
        (&gone["order"], &gone["matched"]),
        (&serde_json::json!([id]), &1.into())
    );
}

#[test]
fn a_stream_follows_its_query() {
    let metrics = TargetMetrics::new();
    let targets = ["web-1", "web-2", "db-1"].map(target);
    let _sensors = targets.each_ref().map(|target| metrics.attach(target));
    let history = History::new(metrics, 1 << 20);
    let view = Arc::new(View::of(&history));
    let update = |search: &str, limit| {
        let query = TargetsQuery {
            search: search.to_owned(),
            limit,
            ..TargetsQuery::default()
        };
        json(&PageState::default().update(&view, &query).unwrap())
    };
    for (search, limit, rows, matched) in [
        ("", None, 3, 3),
        ("", Some(2), 2, 3),
        ("WEB", None, 2, 2),
        ("web 192.0.2 -1", None, 1, 1),
        ("untried", Some(0), 0, 3),
        ("nothing", None, 0, 0),
    ] {
        let update = update(search, limit);
        assert_eq!(update["rows"].as_array().unwrap().len(), rows, "{search}");
        assert_eq!(update["matched"], matched, "{search}");
    }
}

#[tokio::test]
async fn streams_are_limited_and_released() {
    let history = Arc::new(History::new(TargetMetrics::new(), 1 << 20));
    let events = EventStreams::start(history);
    let stream = |client: &str| {
        let client = client.parse().unwrap();
        events.stream(TargetsQuery::default(), Some(client), None)
    };
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| stream("192.0.2.1")).collect();
    assert!(streams.iter().all(|stream| stream.status() == 200));
    assert_eq!(stream("192.0.2.1").status(), 503);
    // Another client replaces the oldest stream, which ends cleanly.
    let other = stream("192.0.2.2");
    assert_eq!(other.status(), 200);
    let first = streams.remove(0);
    let read = axum::body::to_bytes(first.into_body(), 1 << 20);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    read.unwrap().unwrap();
    assert_eq!(stream("192.0.2.1").status(), 503);
    drop(streams);
    assert_eq!(stream("192.0.2.1").status(), 200);
    assert_eq!(
        events.stream(TargetsQuery::default(), None, None).status(),
        200
    );
}

#[tokio::test]
async fn a_stream_ends_before_its_connection() {
    let history = Arc::new(History::new(TargetMetrics::new(), 1 << 20));
    let events = EventStreams::start(history);
    let closes_at = Instant::now() + CLOSE_MARGIN + Duration::from_millis(20);
    let stream = events.stream(TargetsQuery::default(), None, Some(closes_at));
    let body = axum::body::to_bytes(stream.into_body(), 1 << 20);
    let body = tokio::time::timeout(Duration::from_secs(10), body).await;
    assert!(body.unwrap().unwrap().starts_with(b"retry: 1000\n\n"));
    assert!(Instant::now() < closes_at + Duration::from_secs(5));
}
