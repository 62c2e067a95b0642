//! `/probe` as Prometheus uses it and with hostile requests, against a real prober.
#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::{io::Read as _, net::SocketAddr, time::Duration};

use common::{BUILD, Response, get, request, serve};
use tcp_echo_exporter::{Buckets, Endpoints, Probe, SeriesSet, TargetMetrics};
use tcp_echo_prober::{Handle, OnDemand, OnDemandLimits, Prober, SessionConfig, Target, TargetSet};
use tcp_echo_server::{Server, ServerConfig};
use tokio::{net::TcpListener, task::JoinSet};

/// A prober with endpoints, and an echo server as its peer.
struct Parts {
    endpoints: SocketAddr,
    peer: SocketAddr,
    prober: Handle,
    _tasks: JoinSet<()>,
}

fn session() -> SessionConfig {
    SessionConfig::new(Duration::from_millis(20), Duration::from_millis(800)).unwrap()
}

/// Starts with one listed target and a limit of `max_targets` on demand.
async fn start(networks: &str, max_targets: usize) -> Parts {
    start_with(networks, max_targets, TargetMetrics::new()).await
}

async fn start_with(networks: &str, max_targets: usize, metrics: TargetMetrics) -> Parts {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(&address, ServerConfig::default())
        .await
        .unwrap();
    let peer = server.local_addr();
    let on_demand = OnDemand::new(OnDemandLimits {
        networks: networks.parse().unwrap(),
        idle: Duration::from_secs(3600),
        max: max_targets,
    });
    let listed = Target::new(peer.to_string().parse().unwrap(), session()).named("listed");
    let prober = Prober::builder()
        .observer(metrics.clone())
        .targets(TargetSet::new([listed]).unwrap())
        .on_demand(on_demand.clone())
        .start()
        .unwrap();
    let probe = Probe {
        on_demand,
        session: session(),
    };
    let shown = Endpoints::new(BUILD)
        .with_targets(metrics)
        .with_probe(probe);
    let (endpoints, mut tasks) = serve(shown).await;
    tasks.spawn(async { server.run(std::future::pending()).await.unwrap() });
    Parts {
        endpoints,
        peer,
        prober,
        _tasks: tasks,
    }
}

async fn probe(parts: &Parts, query: &str) -> Response {
    get(parts.endpoints, &format!("/probe?{query}")).await
}

/// Returns the value of a sample, named with its labels.
fn sample(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.next()?.trim().parse().ok()
}

#[tokio::test]
async fn the_response_has_the_set_of_series_of_the_metrics() {
    let metrics = TargetMetrics::with_series(Buckets::default(), SeriesSet::Minimal);
    let parts = start_with("127.0.0.0/8", 10, metrics).await;
    let answer = probe(&parts, &format!("target={}", parts.peer)).await;
    let lines = answer.text().lines();
    let samples: Vec<_> = lines.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples.len(), 10, "{samples:?}");
    assert!(samples.iter().all(|line| line.contains("{target=")));
}

#[tokio::test]
async fn the_response_has_only_the_series_of_that_target() {
    let parts = start("127.0.0.0/8", 10).await;
    let peer = parts.peer;
    let answer = probe(&parts, &format!("target={peer}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
    let connected = format!("tcp_echo_connected{{target=\"{peer}\"}}");
    // The first response waits for the connection.
    assert_eq!(sample(answer.text(), &connected), Some(1.0));
    let samples = || answer.text().lines().filter(|line| !line.starts_with('#'));
    let label = format!("target=\"{peer}\"");
    assert!(
        samples().all(|line| line.contains(&label)),
        "{}",
        answer.text()
    );
    assert!(samples().count() > 50);

    // It is probed from now on, and is requested again.
    let received = format!("tcp_echo_received_total{{target=\"{peer}\"}}");
    let connects = format!("tcp_echo_connects_total{{target=\"{peer}\"}}");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let again = probe(&parts, &format!("target={peer}")).await;
        assert_eq!(sample(again.text(), &connects), Some(1.0));
        if sample(again.text(), &received) >= Some(5.0) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{}", again.text());
    }

    // Prometheus would scrape it twice if it were here.
    let metrics = get(parts.endpoints, "/metrics").await;
    assert!(!metrics.text().contains(&label), "{}", metrics.text());
    assert!(metrics.text().contains("target=\"listed\""));
    #[cfg(feature = "page")]
    the_page_shows_both(&parts).await;

    // A change of the listed targets does not affect it.
    let _ = parts.prober.apply(TargetSet::default());
    let again = probe(&parts, &format!("target={peer}")).await;
    assert_eq!(sample(again.text(), &connects), Some(1.0));
}

/// The listed target, and the one on demand.
#[cfg(feature = "page")]
async fn the_page_shows_both(parts: &Parts) {
    let peer = parts.peer;
    let json = get(parts.endpoints, "/api/v1/targets").await;
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    let both = json["targets"].as_array().unwrap().iter();
    let both: Vec<_> = both
        .map(|t| (t["name"].as_str().unwrap(), &t["on_demand"]))
        .collect();
    assert_eq!(
        both,
        [
            (&*peer.to_string(), &true.into()),
            ("listed", &false.into())
        ]
    );
    let page = get(parts.endpoints, "/").await;
    assert!(page.text().contains(&peer.to_string()));
}

#[tokio::test]
async fn formats_are_those_of_metrics() {
    let parts = start("127.0.0.0/8", 10).await;
    let path = format!("/probe?target={}", parts.peer);
    let ask = async |headers: &[&str]| request(parts.endpoints, "GET", &path, headers).await;
    let open = ask(&["Accept: application/openmetrics-text"]).await;
    assert!(
        open.header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert!(open.text().ends_with("# EOF\n"));
    let proto = ask(&[
        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ])
    .await;
    assert!(
        proto
            .header("content-type")
            .unwrap()
            .starts_with("application/vnd.google.protobuf")
    );
    let packed = ask(&["Accept-Encoding: gzip"]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains(&format!(
        "tcp_echo_connected{{target=\"{}\"}} 1\n",
        parts.peer
    )));
    let head = request(parts.endpoints, "HEAD", &path, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_listed_name_returns_that_target() {
    let parts = start("10.0.0.0/8", 0).await;
    let answer = probe(&parts, "target=listed").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        sample(answer.text(), "tcp_echo_connected{target=\"listed\"}"),
        Some(1.0)
    );
    // Other parameters don't change a listed target.
    let answer = probe(&parts, "target=listed&interval=1000ms").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn rejected_requests_say_why() {
    let parts = start("127.0.0.1", 1).await;
    let (peer, port) = (parts.peer, parts.peer.port());
    let check = async |query: &str, status: u16, text: &str| {
        let answer = probe(&parts, query).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    };
    let missing = "the target is missing: ask for /probe?target=host:port\n";
    check("", 400, missing).await;
    check(
        &format!("target={peer}&interval=1ms"),
        400,
        "interval \"1ms\": use a duration from 20ms to 3600s\n",
    )
    .await;
    let not_allowed = "it has no address in the networks that are allowed\n";
    for host in ["127.0.0.2", "10.0.0.1", "[::ffff:127.0.0.2]", "0.0.0.0"] {
        let target = format!("{host}:{port}");
        check(
            &format!("target={target}"),
            403,
            &format!("target \"{target}\": {not_allowed}"),
        )
        .await;
    }
    let unknown = probe(&parts, "target=no-such-name.invalid:1").await;
    assert_eq!(unknown.status, 502, "{}", unknown.text());
    assert!(
        unknown
            .text()
            .starts_with("target \"no-such-name.invalid:1\": it can't be looked up: ")
    );

    assert_eq!(probe(&parts, &format!("target={peer}")).await.status, 200);
    check(
        "target=127.0.0.1:1",
        503,
        "target \"127.0.0.1:1\": 1 targets are probed on demand, which is the limit\n",
    )
    .await;
    for method in ["POST", "PUT", "DELETE"] {
        let path = format!("/probe?target={peer}");
        let answer = request(parts.endpoints, method, &path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET,HEAD"))
        );
    }
    #[cfg(feature = "page")]
    the_page_shows_both(&parts).await;
}

#[tokio::test]
async fn other_settings_do_not_change_a_probed_target() {
    let parts = start("127.0.0.0/8", 10).await;
    let peer = parts.peer;
    let first = probe(&parts, &format!("target={peer}&interval=1000ms")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let connects = format!("tcp_echo_connects_total{{target=\"{peer}\"}}");
    for other in ["", "&interval=20ms", "&timeout=5ms", "&window=7"] {
        let answer = probe(&parts, &format!("target={peer}{other}")).await;
        assert_eq!(answer.status, 200, "{other}: {}", answer.text());
        assert_eq!(sample(answer.text(), &connects), Some(1.0), "{other}");
    }
    // An invalid request is still rejected.
    let answer = probe(&parts, &format!("target={peer}&interval=1ms")).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

// Only Linux assigns every address of 127.0.0.0/8.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_client_leaves_targets_for_others() {
    let parts = start("127.0.0.0/8", 4).await;
    let ask = async |client: &str, port: u16| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(client.parse().unwrap(), 0))
            .unwrap();
        let stream = socket.connect(parts.endpoints).await.unwrap();
        let path = format!("/probe?target=127.0.0.1:{port}");
        let answer = common::request_on(stream, "GET", &path, &[]).await;
        (answer.status, answer.text().to_owned())
    };
    for port in 1..=3 {
        assert_eq!(ask("127.0.0.1", port).await.0, 200);
    }
    let refused = "target \"127.0.0.1:4\": 4 targets may be probed on demand, and this client \
                   has its share of them\n";
    assert_eq!(ask("127.0.0.1", 4).await, (429, refused.to_owned()));
    assert_eq!(ask("127.0.0.2", 4).await.0, 200);
    // It may request every probed target, including those of other clients.
    for port in 1..=4 {
        assert_eq!(ask("127.0.0.1", port).await.0, 200);
    }
    let full = "target \"127.0.0.1:5\": 4 targets are probed on demand, which is the limit\n";
    assert_eq!(ask("127.0.0.3", 5).await, (503, full.to_owned()));
}

/// A peer that accepts no handshake: the queue of its listener is full.
#[cfg(target_os = "linux")]
fn silent_peer() -> (SocketAddr, Vec<std::net::TcpStream>, TcpListener) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let waiting = std::iter::from_fn(|| connect().ok()).take(10).collect();
    (address, waiting, listener)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_first_response_waits_for_the_scrape_timeout() {
    let parts = start("127.0.0.0/8", 10).await;
    let ask = async |target: SocketAddr, seconds: &str| {
        // The handshake times out after two seconds.
        let path = format!("/probe?target={target}&interval=2000ms&timeout=2000ms");
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}");
        request(parts.endpoints, "GET", &path, &[&header]).await
    };
    let failed = |target: SocketAddr, answer: &Response| {
        let failures =
            format!("tcp_echo_connect_failures_total{{target=\"{target}\",reason=\"timeout\"}}");
        assert_eq!(answer.status, 200, "{}", answer.text());
        sample(answer.text(), &failures)
    };
    let (target, _waiting, _listener) = silent_peer();
    let answer = ask(target, "0.5").await;
    assert_eq!(failed(target, &answer), Some(0.0));
    let (target, _waiting, _listener) = silent_peer();
    let answer = ask(target, "30").await;
    assert!(failed(target, &answer) >= Some(1.0));
    // The target was tried by now, so the response does not wait.
    let answer = ask(target, "30").await;
    assert!(failed(target, &answer) >= Some(1.0));
    let answer = ask(target, "soon").await;
    let wrong = "X-Prometheus-Scrape-Timeout-Seconds \"soon\": use a number of seconds, as in 10 \
                 or 2.5\n";
    assert_eq!((answer.status, answer.text()), (400, wrong));
}

#[tokio::test]
async fn the_first_response_shows_a_refused_connection() {
    let parts = start("127.0.0.0/8", 10).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = closed.local_addr().unwrap();
    drop(closed);
    let answer = probe(&parts, &format!("target={target}&timeout=5ms")).await;
    assert_eq!(answer.status, 200);
    let refused =
        format!("tcp_echo_connect_failures_total{{target=\"{target}\",reason=\"refused\"}}");
    assert!(
        sample(answer.text(), &refused) >= Some(1.0),
        "{}",
        answer.text()
    );
    let connected = format!("tcp_echo_connected{{target=\"{target}\"}}");
    assert_eq!(sample(answer.text(), &connected), Some(0.0));
}

#[tokio::test]
async fn probe_is_disabled_by_default() {
    let bare = Endpoints::new(BUILD).with_targets(TargetMetrics::new());
    let (address, _tasks) = serve(bare).await;
    for method in ["GET", "POST"] {
        let answer = request(address, method, "/probe?target=127.0.0.1:1", &[]).await;
        assert_eq!((answer.status, answer.text()), (404, "not found\n"));
    }
}
