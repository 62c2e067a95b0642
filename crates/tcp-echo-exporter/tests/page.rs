//! The status page and its API as clients see them.
#![cfg(feature = "page")]

mod common;

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use common::{BUILD, Driven, assert_head_returns_only_the_head, bare, get, request, serve, target};
use tcp_echo_episodes::Episodes;
use tcp_echo_exporter::{Buckets, Endpoints, SeriesSet, TargetMetrics};
use tcp_echo_prober::{
    Cause, ConnectFailure, Episode, Event, Excess, Observer as _, Sensor as _, Session, TcpInfo,
};
use tcp_echo_wire::Segments;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn paths_and_methods_have_their_status() {
    let (address, _tasks) = bare().await;
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/api/v1/targets", 200),
        ("GET", "/api/v1/targets?search=a&limit=5&other=1", 200),
        ("GET", "/api/v1/targets?limit=many", 400),
        ("GET", "/?limit=-1", 400),
        ("GET", "/?target=none", 404),
        ("GET", "/?target=none&range=1h", 404),
        ("GET", "/?target=none&range=2h", 400),
        ("GET", "/static/page.css", 200),
        ("GET", "/static/page.js", 200),
        ("GET", "/static/", 404),
        ("GET", "/api/v1/paths", 400),
        ("GET", "/api/v1/paths?target=none", 404),
        ("POST", "/api/v1/paths?target=none", 405),
        ("GET", "/api/v1/plot", 400),
        ("GET", "/api/v1/plot?target=none", 404),
        ("GET", "/api/v1/plot?target=none&range=10", 400),
        ("DELETE", "/", 405),
        ("PUT", "/api/v1/targets", 405),
    ] {
        let answer = request(address, method, path, &[]).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let allow = (status == 405).then_some("GET,HEAD");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn head_returns_only_the_head() {
    assert_head_returns_only_the_head(&["/", "/api/v1/targets"]).await;
}

#[tokio::test]
async fn gzip_has_the_same_content() {
    let (address, _tasks) = bare().await;
    for path in ["/", "/api/v1/targets"] {
        let plain = get(address, path).await;
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
        let packed = request(address, "GET", path, &["Accept-Encoding: gzip;q=0.5"]).await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let mut body = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(packed.body.as_slice());
        reader.read_to_end(&mut body).unwrap();
        assert_eq!(body, plain.body);
    }
}

#[tokio::test]
async fn the_page_runs_nothing_and_escapes_everything() {
    let metrics = TargetMetrics::new();
    let name = "<script>alert(1)</script>\"'&";
    let nasty = target("h:1")
        .named(name)
        .with_label("x", "</td><img src=x>");
    let mut driven = Driven::attach(&metrics, &nasty);
    driven.connect("192.0.2.1:1");
    driven.send();
    driven.reply(Duration::from_micros(1234));
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    let page = get(address, "/").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text();
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    assert!(text.contains("<script src=\"static/page.js\" defer></script>"));
    assert!(!text.contains("<img"), "{text}");
    assert!(!text.contains("style="), "{text}");
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;"));
    assert!(text.contains("x=&lt;/td&gt;&lt;img src=x&gt;"));
    assert!(text.contains("<noscript><meta http-equiv=\"refresh\""));
    for shown in ["h:1", "up", "1.23 ms", "0 %"] {
        assert!(text.contains(shown), "{shown}");
    }

    let link = text.split("<a href=\"?target=").nth(1).unwrap();
    let link = link.split('"').next().unwrap();
    let detail = get(address, &format!("/?target={link}")).await;
    assert_eq!(detail.status, 200);
    let text = detail.text();
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    assert_eq!(text.matches("<img").count(), 1, "{text}");
    assert!(text.contains("192.0.2.1:1"));
    assert!(text.contains(&format!("href=\"?target={link}&amp;range=1h\"")));
    assert!(!text.contains("style="), "{text}");
    // The values of the picture, without the script.
    assert!(text.contains("<details class=\"values\" open>"), "{text}");
    let values = text.split("<table id=\"steps\">").nth(1).unwrap();
    for shown in ["Median", "1.21 ms", "connected"] {
        assert!(values.contains(shown), "{shown}: {values}");
    }
    let plot = get(address, &format!("/api/v1/plot?theme=dark&target={link}")).await;
    assert_eq!(plot.header("content-type"), Some("image/svg+xml"));
    assert_eq!(
        plot.header("content-security-policy"),
        Some("default-src 'none'")
    );
    assert!(!plot.text().contains("<script"), "{}", plot.text());
    assert!(
        plot.text()
            .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
    );
}

#[tokio::test]
async fn the_page_has_only_relative_links() {
    let metrics = TargetMetrics::new();
    let _driven = Driven::attach(&metrics, &target("h:1").named("a"));
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    for path in ["/", "/?target=a", "/?target=none"] {
        let page = get(address, path).await;
        for attribute in ["href", "src", "srcset", "action"] {
            let absolute = format!("{attribute}=\"/");
            assert!(!page.text().contains(&absolute), "{path}: {}", page.text());
        }
    }
    let script = get(address, "/static/page.js").await;
    for quote in ["'/", "\"/", "`/"] {
        assert!(!script.text().contains(quote), "{quote}");
    }
}

#[tokio::test]
async fn a_name_from_the_request_is_escaped_too() {
    let (address, _tasks) = bare().await;
    for path in [
        "/?target=%3Cscript%3Ealert(1)%3C/script%3E%22",
        "/?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let page = get(address, path).await;
        assert_eq!(page.text().matches("<script").count(), 1, "{}", page.text());
        assert!(page.text().contains("&lt;script&gt;alert(1)"));
    }
}

#[tokio::test]
async fn the_api_searches_and_returns_the_worst() {
    let metrics = TargetMetrics::new();
    let targets = ["a:1", "b:1", "c:1"].map(target);
    let [mut a, mut b, _c] = targets.map(|target| Driven::attach(&metrics, &target));
    a.connect("192.0.2.1:1");
    b.observe(&Event::ConnectFailed {
        reason: ConnectFailure::Dns,
    });
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    for (query, names) in [
        ("", vec!["a:1", "b:1", "c:1"]),
        ("?limit=9", vec!["b:1", "c:1", "a:1"]),
        ("?limit=1", vec!["b:1"]),
        ("?search=C%3A", vec!["c:1"]),
        ("?search=down", vec!["b:1"]),
        ("?search=nothing&limit=9", vec![]),
    ] {
        let answer = get(address, &format!("/api/v1/targets{query}")).await;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let targets = json["targets"].as_array().unwrap();
        let found: Vec<_> = targets
            .iter()
            .map(|t| t["name"].as_str().unwrap())
            .collect();
        assert_eq!(found, names, "{query}");
    }
}

#[tokio::test]
async fn the_data_are_the_same_with_every_set_of_series() {
    let mut answers = Vec::new();
    for series in [SeriesSet::All, SeriesSet::Standard, SeriesSet::Minimal] {
        let metrics = TargetMetrics::with_series(Buckets::default(), series);
        let mut driven = Driven::attach_greeted(&metrics, &target(":4000"));
        driven.connect("192.0.2.1:4000");
        for micros in [100, 200, 300] {
            driven.send();
            driven.reply(Duration::from_micros(micros));
        }
        driven.poll();
        let endpoints = Endpoints::new(BUILD).with_targets(metrics);
        let (address, _tasks) = serve(endpoints).await;
        let answer = get(address, "/api/v1/targets").await;
        assert!(
            answer.text().contains("\"received\":3"),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains("\"excess_seconds\":{"));
        answers.push(answer.body);
        assert_eq!(get(address, "/?target=:4000").await.status, 200);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn a_stream_begins_with_all_rows() {
    let metrics = TargetMetrics::new();
    let _driver = Driven::attach(&metrics, &target("h:1").named("here"));
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = async {
        while !answer.contains("\"here\"") {
            let mut bytes = [0; 1024];
            let len = client.read(&mut bytes).await.unwrap();
            assert!(len > 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap();
    assert!(
        answer.contains("content-type: text/event-stream\r\n"),
        "{answer}"
    );
    assert!(answer.contains("data: {\"tally\":"), "{answer}");
}

#[tokio::test]
async fn the_history_ends_with_the_router() {
    let metrics = TargetMetrics::new();
    let router = Endpoints::new(BUILD).with_targets(metrics).router();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(tasks(), 1);
    drop(router);
    while tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_api_matches_the_page() {
    let metrics = TargetMetrics::new();
    let new = target("b:1").named("new").with_label("dc", "par1");
    let _new = metrics.attach(&new);
    let mut driven = Driven::attach(&metrics, &target("[::1]:4000"));
    driven.connect("[::1]:4000");
    driven.send();
    driven.reply(Duration::from_micros(500));
    driven.send();
    let mut greeted = Driven::attach_greeted(&metrics, &target("[::1]:4001"));
    greeted.peer_segments = Segments { sent: 50, lost: 5 };
    greeted.connect("[::1]:4001");
    greeted.send();
    let info = TcpInfo {
        segments: Some(Segments { sent: 80, lost: 2 }),
        ..TcpInfo::default()
    };
    let info = greeted.session.handle_tcp_info(Instant::now(), info);
    greeted.observe(&info);
    greeted.send();
    let parts = [2000, 0, 500, 1].map(Duration::from_micros);
    let [prober, forward, peer, reverse] = parts;
    greeted.observe(&Event::Excess(Excess {
        prober,
        forward,
        peer,
        reverse,
    }));
    greeted.observe(&Event::Excess(Excess::default()));
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    let answer = get(address, "/api/v1/targets").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let [p50, p99] = ["p50_seconds", "p99_seconds"].map(|name| &json["targets"][0][name]);
    for quantile in [p50, p99] {
        let seconds = quantile.as_f64().unwrap();
        assert!((seconds / 0.0005 - 1.0).abs() < 0.1, "{seconds}");
    }
    let expected = serde_json::json!({"targets": [
        {
            "name": "[::1]:4000", "address": "[::1]:4000", "peer": "[::1]:4000", "labels": {},
            "on_demand": false,
            "state": "connected", "last_rtt_seconds": 0.0005,
            "p50_seconds": p50, "p99_seconds": p99, "jitter_seconds": 0.0,
            "loss_ratio": 0.0, "missed_ratio": 0.0, "sent": 2, "received": 1, "timeouts": 0, "in_flight": 1,
            "unsent": 0, "missed": 0, "late": 0, "unexpected": 0,
            "answers_hello": false, "packet_loss": {"forward": null, "reverse": null},
            "excess_seconds": null,
        },
        {
            "name": "[::1]:4001", "address": "[::1]:4001", "peer": "[::1]:4001", "labels": {},
            "on_demand": false,
            "state": "connected", "last_rtt_seconds": null,
            "p50_seconds": null, "p99_seconds": null, "jitter_seconds": 0.0,
            "loss_ratio": 0.0, "missed_ratio": 0.0, "sent": 2, "received": 0, "timeouts": 0, "in_flight": 2,
            "unsent": 0, "missed": 0, "late": 0, "unexpected": 0,
            "answers_hello": true,
            "packet_loss": {
                "forward": {"ratio": 0.025, "sent": 80, "lost": 2},
                "reverse": {"ratio": 0.1, "sent": 50, "lost": 5},
            },
            "excess_seconds": {
                "prober": 0.001, "forward": 0.0, "peer": 0.00025, "reverse": 5e-7,
            },
        },
        {
            "name": "new", "address": "b:1", "peer": null, "labels": {"dc": "par1"},
            "on_demand": false,
            "state": "untried", "last_rtt_seconds": null,
            "p50_seconds": null, "p99_seconds": null, "jitter_seconds": 0.0,
            "loss_ratio": 0.0, "missed_ratio": 0.0, "sent": 0, "received": 0, "timeouts": 0, "in_flight": 0,
            "unsent": 0, "missed": 0, "late": 0, "unexpected": 0,
            "answers_hello": false, "packet_loss": {"forward": null, "reverse": null},
            "excess_seconds": null,
        },
    ]});
    assert_eq!(json, expected);
}

#[tokio::test]
async fn the_api_lists_episodes_newest_first() {
    let episodes = Episodes::default();
    let metrics = TargetMetrics::new().with_episodes(episodes.clone());
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_targets(metrics)).await;
    let ask = async |query: &str| {
        let answer = get(address, &format!("/api/v1/episodes{query}")).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        json["episodes"].as_array().unwrap().clone()
    };
    assert!(ask("").await.is_empty());
    let now = Instant::now();
    let mut sensors = Vec::new();
    for (name, ago, length) in [("a", 60, Some(5)), ("b", 30, None), ("a", 20, Some(1))] {
        let target = target("b:1").named(name);
        let session = Session::new(target.session(), now);
        let mut sensor = episodes.attach(&target);
        let began = now.checked_sub(Duration::from_secs(ago)).unwrap();
        for ended in [None, length] {
            let event = Event::Episode(Episode {
                began,
                ended: ended.map(|length| began + Duration::from_secs(length)),
                cause: Cause::Refused,
                slots_lost: ago,
            });
            sensor.on_event(&event, &session);
        }
        sensors.push(sensor);
    }
    let all = ask("").await;
    let lost: Vec<_> = all.iter().map(|episode| &episode["slots_lost"]).collect();
    assert_eq!(lost, [20, 30, 60]);
    assert_eq!(all[1]["end"], serde_json::Value::Null);
    let time = |of: &serde_json::Value| {
        let text = of.as_str().unwrap();
        assert_eq!((text.len(), &text[23..]), (24, "Z"));
        tcp_echo_episodes::parse_rfc3339(text).unwrap()
    };
    let (start, end) = (time(&all[2]["start"]), time(&all[2]["end"]));
    assert_eq!(end.duration_since(start).unwrap(), Duration::from_secs(5));
    let keys: Vec<_> = all[0].as_object().unwrap().keys().collect();
    let expected = [
        "cause",
        "end",
        "last_hop",
        "slots_lost",
        "source_port",
        "start",
        "target",
    ];
    assert_eq!(keys, expected);
    assert_eq!(ask("?target=a").await.len(), 2);
    assert_eq!(ask("?target=a&limit=1").await[0]["slots_lost"], 20);
    assert!(ask("?target=c").await.is_empty());
}
