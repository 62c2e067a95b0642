//! The endpoints, without a listener.

use std::{error::Error, fmt, sync::Arc, time::SystemTime};

use axum::{
    Router,
    extract::State,
    http::{Extensions, HeaderMap, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use prometheus_client::collector::Collector;
use tcp_echo_prober::SocketStats;
use tcp_echo_resolve::LookupStats;
use tcp_echo_server::ServerStats;

use crate::{
    endpoints::{
        lifecycle::Lifecycle,
        readiness::{Readiness, ReadinessCheck},
    },
    exposition::{self, collect::target_collectors, format::Format},
    http::{
        client::Client,
        renderer::{Renderer, set_header},
    },
    metrics::{
        build_info::{BuildInfo, BuildInfoCollector, CountFn, ReloadStatus, TimestampFn},
        discovery::{LookupCollector, SourceCollector, SourceStatus},
        process::ProcessCollector,
        server::ServerCollector,
        sockets::SocketCollector,
        targets::TargetMetrics,
    },
    page,
    probe::{self, Probe},
};

pub(crate) mod lifecycle;
pub(crate) mod readiness;

/// What a failed reload says.
pub type ReloadError = Box<dyn Error + Send + Sync>;

/// The history's limit unless another is set, in bytes.
const HISTORY_LIMIT: usize = 32 << 20;

type SourcesHook = dyn Fn() -> Vec<SourceStatus> + Send + Sync;

type ReloadHook = dyn Fn() -> Result<(), ReloadError> + Send + Sync;

/// What the endpoints show and do; [`router`](Self::router) makes them.
///
/// | path | method | answer |
/// |---|---|---|
/// | `/metrics` | GET | the metrics, in the format that `Accept` prefers |
/// | `/probe?target=` | GET | where it is [enabled](Self::with_probe), one target's metrics, which is probed from then on; `interval`, `timeout`, `window` |
/// | `/` | GET | the status page; `?search=` and `?limit=` choose, `?target=` shows one |
/// | `/static/page.css`, `/static/page.js` | GET | the page's style and script |
/// | `/api/v1/targets` | GET | what the page shows, as JSON, with the same `search`; with `limit` so many at most, the worst first |
/// | `/api/v1/plot?target=` | GET | a target's history as an SVG picture; `theme=dark`, `width=` in pixels |
/// | `/api/v1/events` | GET | what keeps the page up to date; of this version's page only |
/// | `/-/healthy` | GET | 200, always |
/// | `/-/ready` | GET | 200 once started and every target was tried, before that 503 and why |
/// | `/-/reload` | POST | 200 once the configuration was loaded again, 500 and why it could not; 200 as well where there is nothing to reload, since what is in force is what there is; 403 for clients that [may not](Self::with_lifecycle) |
///
/// HEAD goes wherever GET does; anything else is 404, a wrong method 405. Ready is
/// for good: targets that a reload brings don't take the program out of service.
#[derive(Clone)]
pub struct Endpoints {
    build: BuildInfo,
    targets: Option<TargetMetrics>,
    server: Option<Arc<ServerStats>>,
    lookups: Option<Arc<LookupStats>>,
    sockets: Option<SocketStats>,
    sources: Option<Arc<SourcesHook>>,
    readiness: Option<Readiness>,
    reload_status: Option<ReloadStatus>,
    reload: Option<Arc<ReloadHook>>,
    dropped_log_lines: Option<Arc<CountFn>>,
    tls_cert_expiry: Option<Arc<TimestampFn>>,
    lifecycle: Lifecycle,
    history_limit: usize,
    probe: Option<Probe>,
}

impl Endpoints {
    /// Endpoints that show the process only.
    pub const fn new(build: BuildInfo) -> Self {
        Self {
            build,
            targets: None,
            server: None,
            lookups: None,
            sockets: None,
            sources: None,
            readiness: None,
            reload_status: None,
            reload: None,
            dropped_log_lines: None,
            tls_cert_expiry: None,
            lifecycle: Lifecycle::ThisHost,
            history_limit: HISTORY_LIMIT,
            probe: None,
        }
    }

    /// Lets targets be asked for at `/probe`; they are shown with those of
    /// [`with_targets`](Self::with_targets), whose metrics have to observe the same
    /// prober.
    #[must_use]
    pub fn with_probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Keeps the targets' history in at most so many bytes: an hour of each where
    /// that suffices, at least 10 minutes even where it doesn't, nothing at 0.
    /// Without this it is 32 MiB, which is an hour of 2,000 targets.
    #[must_use]
    pub const fn with_history_limit(mut self, bytes: usize) -> Self {
        self.history_limit = bytes;
        self
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

    /// Shows the counts of a resolver.
    #[must_use]
    pub fn with_lookups(mut self, stats: Arc<LookupStats>) -> Self {
        self.lookups = Some(stats);
        self
    }

    /// Shows how many targets of a prober are without a socket.
    #[must_use]
    pub fn with_sockets(mut self, stats: SocketStats) -> Self {
        self.sockets = Some(stats);
        self
    }

    /// Shows how it goes with each source of targets; `sources` is called for every
    /// scrape.
    #[must_use]
    pub fn with_sources(
        mut self,
        sources: impl Fn() -> Vec<SourceStatus> + Send + Sync + 'static,
    ) -> Self {
        self.sources = Some(Arc::new(sources));
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

    /// Shows how many log lines could not be written, as `count` says at each scrape.
    #[must_use]
    pub fn with_dropped_log_lines(
        mut self,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.dropped_log_lines = Some(Arc::new(count));
        self
    }

    /// Shows the end of validity of the certificate that is served, as `expiry` says at each
    /// scrape; nothing where it gives none.
    #[must_use]
    pub fn with_tls_cert_expiry(
        mut self,
        expiry: impl Fn() -> Option<SystemTime> + Send + Sync + 'static,
    ) -> Self {
        self.tls_cert_expiry = Some(Arc::new(expiry));
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

    /// Says who may `POST`. Without this it is [`Lifecycle::ThisHost`].
    #[must_use]
    pub const fn with_lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    /// The endpoints, to be served by an [`Exporter`](crate::Exporter) or as a part
    /// of another program's. It wants a tokio runtime with time enabled, in which a
    /// task keeps the targets' history until the router and its clones are dropped.
    pub fn router(self) -> Router {
        routes(self.state())
    }

    fn state(self) -> Arc<AppState> {
        Arc::new(AppState {
            ready: ReadinessCheck {
                readiness: self.readiness.clone(),
                ..ReadinessCheck::default()
            },
            process: ProcessCollector::new(),
            renderer: Arc::default(),
            endpoints: self,
        })
    }

    /// Everything of `/metrics`, all targets that are listed taken at once.
    fn collectors(&self, process: ProcessCollector, format: Format) -> Vec<Box<dyn Collector>> {
        let mut collectors: Vec<Box<dyn Collector>> = vec![Box::new(BuildInfoCollector {
            build: self.build,
            reload: self.reload_status.clone(),
            dropped_log_lines: self.dropped_log_lines.clone(),
            tls_cert_expiry: self.tls_cert_expiry.clone(),
        })];
        if let Some(targets) = &self.targets {
            collectors.extend(target_collectors(
                targets.snapshot_listed(format == Format::Protobuf),
            ));
        }
        if let Some(stats) = &self.sockets {
            collectors.push(Box::new(SocketCollector(stats.clone())));
        }
        if let Some(stats) = &self.server {
            collectors.push(Box::new(ServerCollector(Arc::clone(stats))));
        }
        if let Some(stats) = &self.lookups {
            collectors.push(Box::new(LookupCollector(Arc::clone(stats))));
        }
        if let Some(sources) = &self.sources {
            collectors.push(Box::new(SourceCollector(sources())));
        }
        collectors.push(Box::new(process));
        collectors
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

struct AppState {
    endpoints: Endpoints,
    process: ProcessCollector,
    ready: ReadinessCheck,
    renderer: Arc<Renderer>,
}

fn routes(state: Arc<AppState>) -> Router {
    let (endpoints, renderer) = (&state.endpoints, &state.renderer);
    let probe = endpoints
        .probe
        .clone()
        .map(|probe| probe::routes(probe, endpoints.targets.clone(), Arc::clone(renderer)));
    let page = page::routes(
        endpoints.build,
        endpoints.targets.clone(),
        endpoints.history_limit,
        Arc::clone(renderer),
    );
    Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .with_state(state)
        .merge(page)
        .merge(probe.unwrap_or_default())
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .layer(map_response(set_common_headers))
}

async fn metrics(State(state): State<Arc<AppState>>, client: Client) -> Response {
    let (endpoints, process) = (state.endpoints.clone(), state.process.clone());
    let collectors = move |format| endpoints.collectors(process, format);
    exposition::respond(&state.renderer, &client, collectors).await
}

async fn ready(State(state): State<Arc<AppState>>) -> Response {
    match state.ready.check(state.endpoints.targets.as_ref()) {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {reason}\n"),
        )
            .into_response(),
    }
}

async fn reload(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let lifecycle = state.endpoints.lifecycle;
    if let Some(refusal) = lifecycle.refusal(&headers, &extensions) {
        return refusal;
    }
    let Some(reload) = state.endpoints.reload.clone() else {
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
async fn set_common_headers(mut response: Response) -> Response {
    set_header(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_header(&mut response, header::CACHE_CONTROL, "no-store");
    response
}
