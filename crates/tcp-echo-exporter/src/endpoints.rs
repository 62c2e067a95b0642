//! The endpoints, without a listener.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use prometheus_client::collector::Collector;
use tcp_echo_server::ServerStats;

use crate::{
    about::{AboutCollector, BuildInfo, ReloadStatus},
    collect::FamilyCollector,
    encode::Format,
    families::FAMILIES,
    negotiate, page,
    process::ProcessCollector,
    readiness::{Readiness, Ready},
    respond::Renderer,
    server::ServerCollector,
    status::Status,
    targets::TargetMetrics,
};

/// What a failed reload says.
pub type ReloadError = Box<dyn Error + Send + Sync>;

type ReloadHook = dyn Fn() -> Result<(), ReloadError> + Send + Sync;

/// What the endpoints show and do; [`router`](Self::router) makes them.
///
/// | path | method | answer |
/// |---|---|---|
/// | `/metrics` | GET | the metrics, in the format that `Accept` prefers |
/// | `/` | GET | the status page |
/// | `/api/v1/targets` | GET | what the page shows, as JSON |
/// | `/-/healthy` | GET | 200, always |
/// | `/-/ready` | GET | 200 once started and every target was tried, before that 503 and why |
/// | `/-/reload` | POST | 200 once the configuration was loaded again, 500 and why it could not; 200 as well where there is nothing to reload, since what is in force is what there is |
///
/// HEAD goes wherever GET does; anything else is 404, a wrong method 405. Ready is
/// for good: targets that a reload brings don't take the program out of service.
#[derive(Clone)]
pub struct Endpoints {
    build: BuildInfo,
    targets: Option<TargetMetrics>,
    server: Option<Arc<ServerStats>>,
    readiness: Option<Readiness>,
    reload_status: Option<ReloadStatus>,
    reload: Option<Arc<ReloadHook>>,
}

impl Endpoints {
    /// Endpoints that show the process only.
    pub const fn new(build: BuildInfo) -> Self {
        Self {
            build,
            targets: None,
            server: None,
            readiness: None,
            reload_status: None,
            reload: None,
        }
    }

    /// Shows the targets of a prober.
    #[must_use]
    pub fn with_targets(mut self, targets: TargetMetrics) -> Self {
        self.targets = Some(targets);
        self
    }

    /// Shows the counts of an echo server.
    #[must_use]
    pub fn with_server(mut self, stats: Arc<ServerStats>) -> Self {
        self.server = Some(stats);
        self
    }

    /// Is not ready before the handle says that everything has started.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Shows how the last reload went.
    #[must_use]
    pub fn with_reload_status(mut self, status: ReloadStatus) -> Self {
        self.reload_status = Some(status);
        self
    }

    /// Calls `reload` at `POST /-/reload`, on a thread on which it may block, and
    /// answers when it returns.
    #[must_use]
    pub fn with_reload(
        mut self,
        reload: impl Fn() -> Result<(), ReloadError> + Send + Sync + 'static,
    ) -> Self {
        self.reload = Some(Arc::new(reload));
        self
    }

    /// The endpoints, to be served by an [`Exporter`](crate::Exporter) or as a part
    /// of another program's; it wants a tokio runtime.
    pub fn router(self) -> Router {
        let app = Arc::new(App {
            ready: Ready {
                started: self.readiness.clone(),
                ..Ready::default()
            },
            renderer: Renderer::default(),
            endpoints: self,
        });
        Router::new()
            .route("/", get(status_page))
            .route("/metrics", get(metrics))
            .route("/api/v1/targets", get(api_targets))
            .route("/-/healthy", get(async || "healthy\n"))
            .route("/-/ready", get(ready))
            .route("/-/reload", post(reload))
            .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
            .layer(map_response(harden))
            .with_state(app)
    }

    /// Everything of `/metrics`, all targets taken at once.
    fn collectors(&self, format: Format) -> Vec<Box<dyn Collector>> {
        let mut collectors: Vec<Box<dyn Collector>> = vec![Box::new(AboutCollector {
            build: self.build,
            reload: self.reload_status.clone(),
        })];
        if let Some(targets) = &self.targets {
            let snapshots = Arc::new(targets.snapshots(format == Format::Protobuf));
            collectors.extend(FAMILIES.iter().map(|family| {
                let snapshots = Arc::clone(&snapshots);
                Box::new(FamilyCollector { family, snapshots }) as Box<dyn Collector>
            }));
        }
        if let Some(stats) = &self.server {
            collectors.push(Box::new(ServerCollector(Arc::clone(stats))));
        }
        collectors.push(Box::new(ProcessCollector));
        collectors
    }

    fn render_targets(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshots = self
            .targets
            .as_ref()
            .map(|targets| targets.snapshots(false));
        let status = match &snapshots {
            Some(snapshots) => Status::of(snapshots),
            None => Status { targets: vec![] },
        };
        Ok(serde_json::to_writer(out, &status)?)
    }

    fn render_page(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshots = self
            .targets
            .as_ref()
            .map(|targets| targets.snapshots(false));
        let status = snapshots.as_ref().map(Status::of);
        let page = page::page(&self.build, status.as_ref());
        out.write_all(page.into_string().as_bytes())
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("build", &self.build)
            .field("targets", &self.targets)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

struct App {
    endpoints: Endpoints,
    ready: Ready,
    renderer: Renderer,
}

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let format = negotiate::format(&headers);
    let endpoints = app.endpoints.clone();
    let render = move |out: &mut dyn Write| format.encode(endpoints.collectors(format), out);
    let mut response = app.renderer.render(&headers, render).await;
    set(&mut response, header::CONTENT_TYPE, format.content_type());
    set(&mut response, header::VARY, "Accept, Accept-Encoding");
    response
}

async fn api_targets(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let endpoints = app.endpoints.clone();
    let render = move |out: &mut dyn Write| endpoints.render_targets(out);
    let mut response = app.renderer.render(&headers, render).await;
    set(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

async fn status_page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let endpoints = app.endpoints.clone();
    let render = move |out: &mut dyn Write| endpoints.render_page(out);
    let mut response = app.renderer.render(&headers, render).await;
    set(
        &mut response,
        header::CONTENT_TYPE,
        "text/html; charset=utf-8",
    );
    set(&mut response, header::CONTENT_SECURITY_POLICY, page::POLICY);
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.ready.check(app.endpoints.targets.as_ref()) {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

async fn reload(State(app): State<Arc<App>>) -> Response {
    let Some(reload) = app.endpoints.reload.clone() else {
        return "nothing to reload\n".into_response();
    };
    let failure = match tokio::task::spawn_blocking(move || reload()).await {
        Ok(Ok(())) => return "reloaded\n".into_response(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let answer = format!("reload failed: {failure}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, answer).into_response()
}

/// What every answer carries.
async fn harden(mut response: Response) -> Response {
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
