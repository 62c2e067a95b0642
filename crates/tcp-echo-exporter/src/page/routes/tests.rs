//! What a plot costs other requests.

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

/// Far longer than a busy test machine delays a timer.
const TIMEOUT: Duration = Duration::from_secs(10);

const BUILD: BuildInfo = BuildInfo {
    version: "1.2.3",
    revision: "0123456",
    rustversion: "1.88.0",
};

fn state(metrics: &TargetMetrics) -> Arc<AppState> {
    Arc::new(AppState {
        labels: GlobalLabels::none(),
        build: BUILD,
        history: Some(Arc::new(History::new(metrics.clone(), 1 << 20))),
        events: None,
        renderer: Arc::default(),
    })
}

fn target(name: &str) -> Target {
    let session = SessionConfig::new(TIMEOUT, TIMEOUT).unwrap();
    Target::new(name.parse().unwrap(), session)
}

async fn get(state: &Arc<AppState>, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let router = routes_with(Arc::clone(state)).route("/free", axum::routing::get(async || "free"));
    let router = TowerToHyperService::new(router);
    router.call(request).await.unwrap()
}

#[tokio::test]
async fn a_plot_blocks_no_other_request_while_the_history_is_locked() {
    let metrics = TargetMetrics::new();
    let _sensor = metrics.attach(&target("a:1"));
    let state = state(&metrics);
    let (locked, is_locked) = mpsc::channel();
    let (unlock, to_unlock) = mpsc::channel();
    let history = state.history.clone().unwrap();
    let holder = thread::spawn(move || {
        let tracks = history.tracks();
        locked.send(()).unwrap();
        let unlocked = to_unlock.recv_timeout(Duration::from_secs(2));
        drop(tracks);
        unlocked.is_ok()
    });
    is_locked.recv().unwrap();
    let plot = tokio::spawn({
        let state = Arc::clone(&state);
        async move { get(&state, "/api/v1/plot?target=a:1").await }
    });
    // The only thread of this runtime is free for another request.
    tokio::task::yield_now().await;
    let free = timeout(TIMEOUT, get(&state, "/free")).await.unwrap();
    assert_eq!(free.status(), StatusCode::OK);
    assert!(!plot.is_finished());
    let _ = unlock.send(());
    assert!(holder.join().unwrap(), "the picture held up the runtime");
    let plot = timeout(TIMEOUT, plot).await.unwrap().unwrap();
    assert_eq!(plot.status(), StatusCode::OK);
    assert_eq!(plot.headers()[header::CONTENT_TYPE], "image/svg+xml");
    let svg = to_bytes(plot.into_body(), usize::MAX).await.unwrap();
    assert!(svg.starts_with(b"<svg "));
}

#[tokio::test]
async fn a_plot_of_an_unknown_target_needs_no_permit() {
    let metrics = TargetMetrics::new();
    let state = state(&metrics);
    for (path, status) in [
        ("/api/v1/plot?target=a:1", StatusCode::NOT_FOUND),
        ("/api/v1/plot", StatusCode::BAD_REQUEST),
    ] {
        let answer = timeout(TIMEOUT, get(&state, path)).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_target_removed_meanwhile_is_not_found() {
    let gone = |out: &mut dyn Write| {
        let _ = out;
        Err(io::ErrorKind::NotFound.into())
    };
    let client = Client {
        headers: axum::http::HeaderMap::new(),
        address: None,
        connection: None,
    };
    let state = state(&TargetMetrics::new());
    let answer = state.renderer.render(&client, gone).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_error_is_not_labelled_as_an_image() {
    let mut refused = (StatusCode::SERVICE_UNAVAILABLE, "busy\n").into_response();
    set_content_type(&mut refused, "image/svg+xml");
    let set_content_type = &refused.headers()[header::CONTENT_TYPE];
    assert_eq!(set_content_type, "text/plain; charset=utf-8");
}
