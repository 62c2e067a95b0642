//! The endpoints as clients see them.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use common::{BUILD, Driven, assert_head_returns_only_the_head, bare, get, request, serve, target};
use tcp_echo_exporter::{AllowedHosts, Endpoints, Exporter, Lifecycle, Readiness, TargetMetrics};
use tcp_echo_prober::{ConnectFailure, Event, Observer as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn paths_and_methods_have_their_status() {
    let (address, _tasks) = bare().await;
    let page = if cfg!(feature = "page") { 200 } else { 404 };
    for (method, path, status) in [
        ("GET", "/", page),
        ("GET", "/api/v1/targets", page),
        ("GET", "/metrics", 200),
        ("GET", "/metrics?x=1", 200),
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("POST", "/-/reload", 200),
        ("GET", "/metrics/", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/%00", 404),
        ("POST", "/nothing", 404),
        ("POST", "/metrics", 405),
        ("POST", "/-/healthy", 405),
        ("POST", "/-/ready", 405),
        ("GET", "/-/reload", 405),
        ("HEAD", "/-/reload", 405),
    ] {
        let answer = request(address, method, path, &[]).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let allow = match (status, path) {
            (405, "/-/reload") => Some("POST"),
            (405, _) => Some("GET,HEAD"),
            _ => None,
        };
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn head_returns_only_the_head() {
    assert_head_returns_only_the_head(&["/metrics", "/-/healthy", "/-/ready"]).await;
}

#[tokio::test]
async fn ready_once_started_and_every_target_was_tried() {
    let metrics = TargetMetrics::new();
    let readiness = Readiness::new();
    let endpoints = Endpoints::new(BUILD)
        .with_targets(metrics.clone())
        .with_readiness(readiness.clone());
    let (address, _tasks) = serve(endpoints).await;
    let check = async |status: u16, text: &str| {
        let answer = get(address, "/-/ready").await;
        assert_eq!((answer.status, answer.text()), (status, text));
    };
    check(503, "not ready: still starting\n").await;
    let mut up = Driven::attach(&metrics, &target("a:1"));
    let mut down = Driven::attach(&metrics, &target("b:1"));
    readiness.started();
    check(503, "not ready: 2 of 2 targets not tried yet\n").await;
    up.connect("192.0.2.1:1");
    check(503, "not ready: 1 of 2 targets not tried yet\n").await;
    down.observe(&Event::ConnectFailed {
        reason: ConnectFailure::Dns,
    });
    check(200, "ready\n").await;
    let _added = metrics.attach(&target("c:1"));
    check(200, "ready\n").await;
}

#[tokio::test]
async fn reload_calls_the_hook_and_reports_its_result() {
    let calls = Arc::new(AtomicU32::new(0));
    let fails = Arc::new(AtomicBool::new(false));
    let hook = {
        let (calls, fails) = (Arc::clone(&calls), Arc::clone(&fails));
        move || {
            calls.fetch_add(1, Ordering::Relaxed);
            if fails.load(Ordering::Relaxed) {
                Err("targets.yml: no such file".into())
            } else {
                Ok(())
            }
        }
    };
    let (address, _tasks) = serve(Endpoints::new(BUILD).with_reload(hook)).await;
    let answer = request(address, "POST", "/-/reload", &[]).await;
    assert_eq!((answer.status, answer.text()), (200, "reloaded\n"));
    fails.store(true, Ordering::Relaxed);
    let answer = request(address, "POST", "/-/reload", &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "reload failed: targets.yml: no such file\n");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let answer = request(address, "POST", "/-/reload", &["Origin: http://x"]).await;
    assert_eq!(
        (answer.status, answer.text()),
        (403, "not from a web page\n")
    );
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let (address, _tasks) = bare().await;
    let answer = request(address, "POST", "/-/reload", &[]).await;
    assert_eq!((answer.status, answer.text()), (200, "nothing to reload\n"));
}

#[tokio::test]
async fn reload_is_rejected_if_no_client_may() {
    let endpoints = Endpoints::new(BUILD)
        .with_reload(|| Err("it was called".into()))
        .with_lifecycle(Lifecycle::Nobody);
    let (address, _tasks) = serve(endpoints).await;
    let answer = request(address, "POST", "/-/reload", &[]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.text(), "not with -web.enable-lifecycle=false\n");
}

#[tokio::test]
async fn a_name_that_resolves_to_this_host_gets_the_metrics_alone() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let exporter = Exporter::bind(&listen, Endpoints::new(BUILD).router());
    let exporter = exporter.await.unwrap();
    assert!(exporter.is_on_loopback());
    let address = exporter.local_addr();
    let exporter = exporter.with_allowed_hosts(AllowedHosts::loopback());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(exporter.serve(std::future::pending()));
    let page = if cfg!(feature = "page") { "200" } else { "404" };
    for (version, host, path, status) in [
        ("1.1", "Host: evil.example\r\n", "/", "403"),
        ("1.1", "Host: evil.example\r\n", "/api/v1/targets", "403"),
        ("1.1", "Host: evil.example\r\n", "/metrics", "200"),
        ("1.1", "Host: evil.example\r\n", "/-/healthy", "200"),
        ("1.1", "Host: localhost:2112\r\n", "/", page),
        ("1.0", "", "/metrics", "200"),
        ("1.0", "", "/", page),
        ("1.0", "Host: evil.example\r\n", "/", "403"),
        ("1.1", "", "/", "403"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        let question = format!("GET {path} HTTP/{version}\r\n{host}Connection: close\r\n\r\n");
        client.write_all(question.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(&answer[9..12], status, "{question}");
    }
    let listen = ":0".parse().unwrap();
    let everywhere = Exporter::bind(&listen, Endpoints::new(BUILD).router());
    assert!(!everywhere.await.unwrap().is_on_loopback());
}
