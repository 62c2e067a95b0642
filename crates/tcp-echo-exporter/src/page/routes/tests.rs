//! What a picture costs others.

use std::{sync::mpsc, thread, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tcp_echo_prober::{Observer as _, SessionConfig, Target};
use tokio::time::timeout;

use super::*;

/// Long against what a test machine does to a timer.
const MOST: Duration = Duration::from_secs(10);

const BUILD: BuildInfo = BuildInfo {
    version: "1.2.3",
    revision: "0123456",
    rustversion: "1.88.0",
};

fn app(metrics: &TargetMetrics) -> Arc<App> {
    Arc::new(App {
        build: BUILD,
        history: Some(Arc::new(History::new(metrics.clone(), 1 << 20))),
        live: None,
        renderer: Arc::default(),
    })
}

fn target(name: &str) -> Target {
    let session = SessionConfig::new(MOST, MOST).unwrap();
    Target::new(name.parse().unwrap(), session)
}

async fn get(app: &Arc<App>, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let router = routes_of(Arc::clone(app)).route("/free", axum::routing::get(async || "free"));
    let router = TowerToHyperService::new(router);
    router.call(request).await.unwrap()
}

#[tokio::test]
async fn a_picture_holds_up_nobody_while_the_history_is_in_use() {
    let metrics = TargetMetrics::new();
    let _sensor = metrics.attach(&target("a:1"));
    let app = app(&metrics);
    let (locked, is_locked) = mpsc::channel();
    let (unlock, to_unlock) = mpsc::channel();
    let history = app.history.clone().unwrap();
    let holder = thread::spawn(move || {
        let tracks = history.tracks();
        locked.send(()).unwrap();
        let told = to_unlock.recv_timeout(Duration::from_secs(2));
        drop(tracks);
        told.is_ok()
    });
    is_locked.recv().unwrap();
    let picture = tokio::spawn({
        let app = Arc::clone(&app);
        async move { get(&app, "/api/v1/plot?target=a:1").await }
    });
    // The one thread of this runtime is free for another request.
    tokio::task::yield_now().await;
    let free = timeout(MOST, get(&app, "/free")).await.unwrap();
    assert_eq!(free.status(), StatusCode::OK);
    assert!(!picture.is_finished());
    let _ = unlock.send(());
    assert!(holder.join().unwrap(), "the picture held up the runtime");
    let picture = timeout(MOST, picture).await.unwrap().unwrap();
    assert_eq!(picture.status(), StatusCode::OK);
    assert_eq!(picture.headers()[header::CONTENT_TYPE], "image/svg+xml");
    let svg = to_bytes(picture.into_body(), usize::MAX).await.unwrap();
    assert!(svg.starts_with(b"<svg "));
}

#[tokio::test]
async fn a_picture_of_no_target_needs_no_place() {
    let metrics = TargetMetrics::new();
    let app = app(&metrics);
    for (path, status) in [
        ("/api/v1/plot?target=a:1", StatusCode::NOT_FOUND),
        ("/api/v1/plot", StatusCode::BAD_REQUEST),
    ] {
        let answer = timeout(MOST, get(&app, path)).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_target_that_goes_meanwhile_is_not_found() {
    let gone = |out: &mut dyn Write| {
        let _ = out;
        Err(io::ErrorKind::NotFound.into())
    };
    let client = Client {
        headers: axum::http::HeaderMap::new(),
        address: None,
        connection: None,
    };
    let app = app(&TargetMetrics::new());
    let answer = app.renderer.render(&client, gone).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_picture_is_not_said_to_be_one() {
    let mut refused = (StatusCode::SERVICE_UNAVAILABLE, "busy\n").into_response();
    kind(&mut refused, "image/svg+xml");
    let kind = &refused.headers()[header::CONTENT_TYPE];
    assert_eq!(kind, "text/plain; charset=utf-8");
}
