//! `/probe`: targets on demand.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tcp_echo_prober::{AskError, OnDemand, SessionConfig};
use tokio::time::timeout;

use crate::{
    encoding::{encoder::Collector, format::Format, global_labels::GlobalLabels},
    exposition::{self, collect::TargetCollector},
    http::{client::Client, renderer::Renderer},
    metrics::targets::TargetMetrics,
};

mod query;
mod scrape_timeout;

use query::ProbeQuery;

/// How long the first response waits for a connection attempt to finish, if the request has no
/// timeout.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// What clients may request at `/probe`, and how those targets are probed.
#[derive(Clone)]
pub struct Probe {
    /// The targets on demand of the prober whose metrics are shown.
    pub on_demand: OnDemand,
    /// The defaults of a target's session, and the limits of the query: an interval from this
    /// one up to an hour; a timeout from a millisecond up to this one or the requested
    /// interval; a loss window up to this one or ten thousand slots.
    pub session: SessionConfig,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("on_demand", &self.on_demand)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What `/probe` responds from.
struct AppState {
    probe: Probe,
    targets: Option<TargetMetrics>,
    labels: GlobalLabels,
    renderer: Arc<Renderer>,
}

/// Returns the route `/probe`. Without targets it responds 404.
pub(crate) fn routes(
    probe: Probe,
    targets: Option<TargetMetrics>,
    labels: GlobalLabels,
    renderer: Arc<Renderer>,
) -> Router {
    let state = Arc::new(AppState {
        probe,
        targets,
        labels,
        renderer,
    });
    Router::new().route("/probe", get(handle)).with_state(state)
}

async fn handle(
    State(state): State<Arc<AppState>>,
    RawQuery(query): RawQuery,
    client: Client,
) -> Response {
    let probe = &state.probe;
    let Some(targets) = state.targets.clone() else {
        return reject(StatusCode::NOT_FOUND, "nothing is probed here");
    };
    let query = match ProbeQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return reject(StatusCode::BAD_REQUEST, error),
    };
    let response_timeout = match scrape_timeout::response_timeout(&client.headers) {
        Ok(timeout) => timeout,
        Err(error) => return reject(StatusCode::BAD_REQUEST, error),
    };
    let start = Instant::now();
    let name = query.target.clone();
    if !probe.on_demand.is_listed(&name) {
        let target = match query.validate(&probe.session) {
            Ok(target) => target,
            Err(error) => return reject(StatusCode::BAD_REQUEST, error),
        };
        let request = probe
            .on_demand
            .ask(target.address, target.session, client.address);
        // Without a timeout in the request, the look-up has no limit of its own here.
        match timeout(response_timeout.unwrap_or(Duration::MAX), request).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let why = format_args!("target {name:?}: {error}");
                return reject(status_of(&error), why);
            }
            Err(_) => {
                let why = format_args!("target {name:?}: its name is still being looked up");
                return reject(StatusCode::GATEWAY_TIMEOUT, why);
            }
        }
    }
    let left = response_timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
    let max_wait = left.unwrap_or(CONNECT_WAIT);
    targets.wait_until_tried(&name, max_wait).await;
    // The target is missing only if it is being removed, or if its thread has not attached it
    // yet.
    if !targets.contains(&name) {
        let why = format_args!("target {name:?}: it is not probed yet");
        return reject(StatusCode::SERVICE_UNAVAILABLE, why);
    }
    let labels = state.labels.clone();
    exposition::respond(&state.renderer, &client, labels, move |format| {
        let snapshots = targets.snapshot_of(&name, format == Format::Protobuf);
        snapshots.map(|snapshots| Box::new(TargetCollector(snapshots)) as Box<dyn Collector>)
    })
    .await
}

fn status_of(error: &AskError) -> StatusCode {
    match error {
        AskError::NotAllowed => StatusCode::FORBIDDEN,
        AskError::LookUp(_) => StatusCode::BAD_GATEWAY,
        AskError::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn reject(status: StatusCode, why: impl fmt::Display) -> Response {
    (status, format!("{why}\n")).into_response()
}
