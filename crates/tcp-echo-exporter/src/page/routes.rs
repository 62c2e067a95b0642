//! The status page's part of the endpoints.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    document,
    history::History,
    plot::{self, Plotted},
    query::{Choice, Picture},
    sse::EventStreams,
    status::Status,
    view::View,
};
use crate::{
    http::{
        client::Client,
        respond::{Renderer, set_header},
    },
    metrics::{build_info::BuildInfo, targets::TargetMetrics},
};

const STYLE: &str = include_str!("static/page.css");
const SCRIPT: &str = include_str!("static/page.js");

/// The page's `Content-Security-Policy`: its own style, script, pictures and stream,
/// nothing inline, and the empty icon, which keeps browsers from asking for one.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// A picture opened by itself runs and loads nothing.
const PICTURE_POLICY: &str = "default-src 'none'";

/// What the page's answers are made of.
struct App {
    build: BuildInfo,
    /// Where there are targets.
    history: Option<Arc<History>>,
    live: Option<EventStreams>,
    renderer: Arc<Renderer>,
}

/// The page of these targets, whose history takes at most so many bytes. A task keeps it
/// until the router and its clones are dropped.
pub(crate) fn routes(
    build: BuildInfo,
    targets: Option<TargetMetrics>,
    history_limit: usize,
    renderer: Arc<Renderer>,
) -> Router {
    let history = targets.map(|targets| Arc::new(History::new(targets, history_limit)));
    routes_of(Arc::new(App {
        build,
        live: history.clone().map(EventStreams::start),
        history,
        renderer,
    }))
}

fn routes_of(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/static/page.css", get(style))
        .route("/static/page.js", get(script))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/plot", get(picture))
        .route("/api/v1/events", get(events))
        .with_state(app)
}

type Asked<T> = Result<Query<T>, QueryRejection>;

async fn page(State(app): State<Arc<App>>, asked: Asked<Choice>, client: Client) -> Response {
    let Query(choice) = match asked {
        Ok(choice) => choice,
        Err(rejection) => return rejection.into_response(),
    };
    let mut status = StatusCode::OK;
    let renders = Arc::clone(&app);
    let found = match (&app.history, &choice.target) {
        (Some(history), Some(name)) => history.has(name),
        (None, Some(_)) => false,
        _ => true,
    };
    if !found {
        status = StatusCode::NOT_FOUND;
    }
    let render = move |out: &mut dyn Write| {
        let history = renders.history.as_deref();
        let page = document::page(&renders.build, history, &choice);
        out.write_all(page.into_string().as_bytes())
    };
    let mut response = app.renderer.render(&client, render).await;
    kind(&mut response, "text/html; charset=utf-8");
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    set_header(&mut response, header::CONTENT_SECURITY_POLICY, POLICY);
    set_header(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

async fn style(State(app): State<Arc<App>>, client: Client) -> Response {
    file(&app, &client, STYLE, "text/css; charset=utf-8").await
}

async fn script(State(app): State<Arc<App>>, client: Client) -> Response {
    file(&app, &client, SCRIPT, "text/javascript; charset=utf-8").await
}

async fn file(app: &App, client: &Client, text: &'static str, of: &'static str) -> Response {
    let render = |out: &mut dyn Write| out.write_all(text.as_bytes());
    let mut response = app.renderer.render(client, render).await;
    kind(&mut response, of);
    response
}

async fn targets(State(app): State<Arc<App>>, asked: Asked<Choice>, client: Client) -> Response {
    let Query(choice) = match asked {
        Ok(choice) => choice,
        Err(rejection) => return rejection.into_response(),
    };
    let history = app.history.clone();
    let render = move |out: &mut dyn Write| {
        let Some(history) = history else {
            return Ok(serde_json::to_writer(out, &Status { targets: vec![] })?);
        };
        write_targets(&history, &choice, out)
    };
    let mut response = app.renderer.render(&client, render).await;
    kind(&mut response, "application/json");
    response
}

fn write_targets(history: &History, choice: &Choice, out: &mut dyn Write) -> io::Result<()> {
    let some = choice.limit.is_some() || !choice.search.is_empty();
    let view = some.then(|| View::of(history));
    if view.is_none() {
        // A view has done so itself.
        history.advance(Instant::now());
    }
    let tracks = history.tracks();
    let snapshots = history.metrics().snapshots(true);
    let mut status = Status::of(&snapshots, &tracks);
    drop(tracks);
    if let Some(view) = view {
        let (rows, _) = view.choose(choice);
        let places: HashMap<&str, usize> = rows
            .iter()
            .enumerate()
            .map(|(place, row)| (&*row.name, place))
            .collect();
        status
            .targets
            .retain(|target| places.contains_key(target.name));
        if choice.limit.is_some() {
            status
                .targets
                .sort_by_key(|target| places.get(target.name).copied());
        }
    }
    Ok(serde_json::to_writer(out, &status)?)
}

async fn picture(State(app): State<Arc<App>>, asked: Asked<Picture>, client: Client) -> Response {
    let Query(picture) = match asked {
        Ok(picture) => picture,
        Err(rejection) => return rejection.into_response(),
    };
    let history = app.history.clone();
    let Some(history) = history.filter(|history| history.has(&picture.target)) else {
        return (StatusCode::NOT_FOUND, "no such target\n").into_response();
    };
    // All of it is work that other requests must not wait for.
    let render = move |out: &mut dyn Write| {
        let plotted = Plotted::find(&history, &picture.target).ok_or(io::ErrorKind::NotFound)?;
        let svg =
            plot::svg(&plotted, &picture).map_err(|error| io::Error::other(error.to_string()))?;
        out.write_all(svg.as_bytes())
    };
    let mut response = app.renderer.render(&client, render).await;
    kind(&mut response, "image/svg+xml");
    set_header(
        &mut response,
        header::CONTENT_SECURITY_POLICY,
        PICTURE_POLICY,
    );
    response
}

async fn events(State(app): State<Arc<App>>, asked: Asked<Choice>, client: Client) -> Response {
    let Query(choice) = match asked {
        Ok(choice) => choice,
        Err(rejection) => return rejection.into_response(),
    };
    let Some(live) = &app.live else {
        return (StatusCode::NOT_FOUND, "nothing is probed here\n").into_response();
    };
    let closes_at = client.connection.map(|connection| connection.closes_at());
    live.stream(choice, client.address, closes_at)
}

/// Says of what type a good answer is; others are text.
fn kind(response: &mut Response, kind: &'static str) {
    const NAME: HeaderName = header::CONTENT_TYPE;
    if response.status() == StatusCode::OK {
        set_header(response, NAME, kind);
    }
}

#[cfg(test)]
mod tests;
