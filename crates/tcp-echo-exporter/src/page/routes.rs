//! The routes of the status page.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    document,
    episodes::EpisodeList,
    history::History,
    paths::FlowList,
    plot::{self, PlotData, Record},
    query::{EpisodesQuery, PathsQuery, PlotQuery, TargetsQuery},
    sse::EventStreams,
    status::TargetList,
    view::View,
};
use crate::{
    encoding::global_labels::GlobalLabels,
    http::{
        client::Client,
        renderer::{Renderer, set_header},
    },
    metrics::{build_info::BuildInfo, targets::TargetMetrics},
};

const STYLE: &str = include_str!("static/page.css");
const SCRIPT: &str = include_str!("static/page.js");
const JSON: &str = "application/json";

/// The page's `Content-Security-Policy`: its own style, script, images and stream, nothing
/// inline, and the empty icon, which keeps browsers from requesting one.
const PAGE_CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// An image that is opened by itself runs and loads nothing.
const PLOT_CSP: &str = "default-src 'none'";

/// What the page's endpoints respond from.
struct AppState {
    build: BuildInfo,
    /// The labels of every target in the API.
    labels: GlobalLabels,
    /// `None` without targets.
    history: Option<Arc<History>>,
    events: Option<EventStreams>,
    renderer: Arc<Renderer>,
}

/// Returns the page's routes. The history of `targets` takes up to `history_limit` bytes; a
/// task records it until the router and its clones are dropped.
pub(crate) fn routes(
    build: BuildInfo,
    targets: Option<TargetMetrics>,
    labels: GlobalLabels,
    history_limit: usize,
    renderer: Arc<Renderer>,
) -> Router {
    let history = targets.map(|targets| Arc::new(History::new(targets, history_limit)));
    routes_with(Arc::new(AppState {
        build,
        labels,
        events: history.clone().map(EventStreams::start),
        history,
        renderer,
    }))
}

fn routes_with(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/static/page.css", get(style))
        .route("/static/page.js", get(script))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/paths", get(paths))
        .route("/api/v1/episodes", get(episodes))
        .route("/api/v1/plot", get(plot))
        .route("/api/v1/events", get(events))
        .with_state(state)
}

async fn page(
    State(state): State<Arc<AppState>>,
    Query(query): Query<TargetsQuery>,
    client: Client,
) -> Response {
    let mut status = StatusCode::OK;
    let page_state = Arc::clone(&state);
    let found = match (&state.history, &query.target) {
        (Some(history), Some(name)) => history.contains(name),
        (None, Some(_)) => false,
        _ => true,
    };
    if !found {
        status = StatusCode::NOT_FOUND;
    }
    let render = move |out: &mut dyn Write| {
        let history = page_state.history.as_deref();
        let page = document::page(&page_state.build, history, &query);
        out.write_all(page.into_string().as_bytes())
    };
    let mut response = render_as(&state, &client, "text/html; charset=utf-8", render).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    set_header(&mut response, header::CONTENT_SECURITY_POLICY, PAGE_CSP);
    set_header(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

async fn style(State(state): State<Arc<AppState>>, client: Client) -> Response {
    file(&state, &client, STYLE, "text/css; charset=utf-8").await
}

async fn script(State(state): State<Arc<AppState>>, client: Client) -> Response {
    file(&state, &client, SCRIPT, "text/javascript; charset=utf-8").await
}

async fn file(
    state: &AppState,
    client: &Client,
    text: &'static str,
    content_type: &'static str,
) -> Response {
    let render = |out: &mut dyn Write| out.write_all(text.as_bytes());
    render_as(state, client, content_type, render).await
}

async fn targets(
    State(state): State<Arc<AppState>>,
    Query(query): Query<TargetsQuery>,
    client: Client,
) -> Response {
    let (history, labels) = (state.history.clone(), state.labels.clone());
    let render = move |out: &mut dyn Write| {
        let Some(history) = history else {
            return Ok(serde_json::to_writer(out, &TargetList { targets: vec![] })?);
        };
        write_targets(&history, &labels, &query, out)
    };
    render_as(&state, &client, JSON, render).await
}

fn write_targets(
    history: &History,
    labels: &GlobalLabels,
    query: &TargetsQuery,
    out: &mut dyn Write,
) -> io::Result<()> {
    let is_filtered = query.limit.is_some() || !query.search.is_empty();
    let view = is_filtered.then(|| View::of(history));
    if view.is_none() {
        // A view has advanced it already.
        history.advance(Instant::now());
    }
    let tracks = history.tracks();
    let snapshots = history.metrics().snapshot_all(true);
    let mut list = TargetList::of(&snapshots, &tracks);
    drop(tracks);
    for target in &mut list.targets {
        for (name, value) in labels.iter() {
            target.labels.entry(name).or_insert(value);
        }
    }
    if let Some(view) = view {
        let (rows, _) = view.select(query);
        let order: HashMap<&str, usize> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| (&*row.name, index))
            .collect();
        list.targets
            .retain(|target| order.contains_key(target.name));
        if query.limit.is_some() {
            list.targets
                .sort_by_key(|target| order.get(target.name).copied());
        }
    }
    Ok(serde_json::to_writer(out, &list)?)
}

async fn paths(
    State(state): State<Arc<AppState>>,
    Query(query): Query<PathsQuery>,
    client: Client,
) -> Response {
    let history = state.history.clone();
    let Some(history) = history.filter(|history| history.contains(&query.target)) else {
        return (StatusCode::NOT_FOUND, "no such target\n").into_response();
    };
    let render = move |out: &mut dyn Write| {
        let flows = FlowList::find(&history, &query.target).ok_or(io::ErrorKind::NotFound)?;
        Ok(serde_json::to_writer(out, &flows)?)
    };
    render_as(&state, &client, JSON, render).await
}

async fn episodes(
    State(state): State<Arc<AppState>>,
    Query(query): Query<EpisodesQuery>,
    client: Client,
) -> Response {
    let history = state.history.clone();
    let render = move |out: &mut dyn Write| {
        let known = history.as_ref().and_then(|of| of.metrics().episodes());
        let list = EpisodeList::of(known, &query);
        Ok(serde_json::to_writer(out, &list)?)
    };
    render_as(&state, &client, JSON, render).await
}

async fn plot(
    State(state): State<Arc<AppState>>,
    Query(plot_query): Query<PlotQuery>,
    client: Client,
) -> Response {
    let history = state.history.clone();
    let Some(history) = history.filter(|history| history.contains(&plot_query.target)) else {
        return (StatusCode::NOT_FOUND, "no such target\n").into_response();
    };
    // Other requests must not wait for any of this work.
    let render = move |out: &mut dyn Write| {
        let record = Record::find(&history, &plot_query.target).ok_or(io::ErrorKind::NotFound)?;
        let data = PlotData::new(&record, plot_query.range);
        let svg =
            plot::svg(&data, &plot_query).map_err(|error| io::Error::other(error.to_string()))?;
        out.write_all(svg.as_bytes())
    };
    let mut response = render_as(&state, &client, "image/svg+xml", render).await;
    set_header(&mut response, header::CONTENT_SECURITY_POLICY, PLOT_CSP);
    response
}

async fn events(
    State(state): State<Arc<AppState>>,
    Query(query): Query<TargetsQuery>,
    client: Client,
) -> Response {
    let Some(events) = &state.events else {
        return (StatusCode::NOT_FOUND, "nothing is probed here\n").into_response();
    };
    let closes_at = client.connection.map(|connection| connection.closes_at());
    events.stream(query, client.address, closes_at)
}

/// Renders a document of this type.
async fn render_as(
    state: &AppState,
    client: &Client,
    content_type: &'static str,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let mut response = state.renderer.render(client, render).await;
    set_content_type(&mut response, content_type);
    response
}

/// Sets the type of a 200 response. Errors are plain text.
fn set_content_type(response: &mut Response, content_type: &'static str) {
    if response.status() == StatusCode::OK {
        set_header(response, header::CONTENT_TYPE, content_type);
    }
}

#[cfg(test)]
mod tests;
