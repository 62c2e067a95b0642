//! Targets that are asked for.

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
    client::Client,
    encode::Format,
    endpoints::{App, exposition, of_targets},
};

mod query;
mod scrape_timeout;

use query::ProbeQuery;

/// Reads a duration as the user writes it, or says why it is none, in words that end a
/// sentence.
pub type ParseDuration = fn(&str) -> Result<Duration, String>;

/// How long the first answer waits for a connection, or for its failure, where the request
/// doesn't say how long it may.
const FIRST: Duration = Duration::from_secs(1);

/// What `/probe` may be asked for, and how that is probed.
#[derive(Clone)]
pub struct Probe {
    /// Of the prober whose targets are shown.
    pub on_demand: OnDemand,
    /// How targets are probed of which the query says nothing else. It may ask for a
    /// longer interval, up to an hour, but for no shorter one; for a timeout from a
    /// millisecond up to this or the interval asked for; for a loss window up to this or
    /// ten thousand slots.
    pub session: SessionConfig,
    /// How `interval` and `timeout` are written.
    pub parse_duration: ParseDuration,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("on_demand", &self.on_demand)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/probe", get(probe))
}

async fn probe(State(app): State<Arc<App>>, RawQuery(query): RawQuery, client: Client) -> Response {
    let endpoints = &app.endpoints;
    let (Some(probe), Some(targets)) = (&endpoints.probe, endpoints.targets.clone()) else {
        return refused(StatusCode::NOT_FOUND, "nothing is probed here");
    };
    let query = match ProbeQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let patience = match scrape_timeout::patience(&client.headers) {
        Ok(patience) => patience,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let begun = Instant::now();
    let name = query.target.clone();
    if !probe.on_demand.is_listed(&name) {
        let asked = match query.validate(&probe.session, probe.parse_duration) {
            Ok(asked) => asked,
            Err(error) => return refused(StatusCode::BAD_REQUEST, error),
        };
        let asking = probe
            .on_demand
            .ask(asked.address, asked.session, client.address);
        // Without a word of how long it may take, a look-up takes as long as it does.
        let asked = timeout(patience.unwrap_or(Duration::MAX), asking).await;
        if let Ok(Err(error)) = asked {
            let error_status = status(&error);
            return refused(error_status, format_args!("target {name:?}: {error}"));
        }
        if asked.is_err() {
            let late = format_args!("target {name:?}: its name is still being looked up");
            return refused(StatusCode::GATEWAY_TIMEOUT, late);
        }
    }
    let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
    targets.tried(&name, left.unwrap_or(FIRST)).await;
    // It is there unless it is going, or its thread has not come to it yet.
    if !targets.has(&name) {
        let busy = format_args!("target {name:?}: it is not probed yet");
        return refused(StatusCode::SERVICE_UNAVAILABLE, busy);
    }
    exposition(&app, &client, move |format| {
        let snapshots = targets.of(&name, format == Format::Protobuf);
        snapshots.into_iter().flat_map(of_targets)
    })
    .await
}

fn status(error: &AskError) -> StatusCode {
    match error {
        AskError::NotAllowed => StatusCode::FORBIDDEN,
        AskError::LookUp(_) => StatusCode::BAD_GATEWAY,
        AskError::Quota { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn refused(status: StatusCode, why: impl fmt::Display) -> Response {
    (status, format!("{why}\n")).into_response()
}
