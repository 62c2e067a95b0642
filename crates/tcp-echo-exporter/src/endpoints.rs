//! The endpoints, without a listener.

pub(crate) mod lifecycle;
pub(crate) mod readiness;
pub(crate) mod reload;
mod scrape;

use std::{fmt, sync::Arc, time::SystemTime};

use axum::{
    Router,
    http::{StatusCode, header},
    middleware::map_response,
    response::Response,
    routing::get,
};
use tcp_echo_prober::SocketStats;
use tcp_echo_resolve::LookupStats;
use tcp_echo_server::ServerStats;

#[cfg(feature = "page")]
use crate::page;
use crate::{
    encoding::global_labels::GlobalLabels,
    http::renderer::{Renderer, set_header},
    metrics::{
        build_info::BuildInfo, discovery::SourceStatus, reload_status::ReloadStatus,
        targets::TargetMetrics,
    },
    probe::{self, Probe},
};
use lifecycle::Lifecycle;
use readiness::Readiness;
use reload::{ReloadError, ReloadHook};
use scrape::Scrape;

/// The default limit of the history, in bytes.
#[cfg(feature = "page")]
const HISTORY_LIMIT: usize = 16 << 20;

/// The HTTP endpoints: what they show and do. [`router`](Self::router) builds them.
///
/// | path | method | response |
/// |---|---|---|
/// | `/metrics` | GET | the metrics, in the format that `Accept` prefers |
/// | `/probe?target=` | GET | if [enabled](Self::with_probe), the metrics of one target, which is probed from then on; `interval`, `timeout`, `window` |
/// | `/` | GET | the status page; `?search=` and `?limit=` select targets, `?target=` shows one |
/// | `/static/page.css`, `/static/page.js` | GET | the page's style and script |
/// | `/api/v1/targets` | GET | the data of the page as JSON, with the same `search`; `limit` returns that many at most, worst first |
/// | `/api/v1/paths?target=` | GET | the flows of a target as JSON, with the hops on their way |
/// | `/api/v1/episodes` | GET | the outages of the targets as JSON, newest first; `?target=`, `?limit=` |
/// | `/api/v1/plot?target=` | GET | a target's history as an SVG image; `range=1h`, `theme=dark`, `width=` in pixels, `title=false` |
/// | `/api/v1/events` | GET | the stream that updates the page; for the page of this version only |
/// | `/-/healthy` | GET | always 200 |
/// | `/-/ready` | GET | 200 once started and every target was tried, before that 503 and the reason |
/// | `/-/reload` | POST | 200 if the configuration was reloaded or if there is none to reload, 500 and the reason if it could not be; 403 for clients that [may not](Self::with_lifecycle) |
///
/// `/`, `/static/` and `/api/` need the feature `page`. HEAD works wherever GET does. Other
/// paths return 404, other methods 405. Readiness is never revoked: targets that a reload adds
/// don't take the program out of service.
#[derive(Clone)]
pub struct Endpoints {
    scrape: Scrape,
    readiness: Option<Readiness>,
    reload: Option<Arc<ReloadHook>>,
    lifecycle: Lifecycle,
    #[cfg(feature = "page")]
    history_limit: usize,
    probe: Option<Probe>,
}

impl Endpoints {
    /// Endpoints that show only the process.
    pub const fn new(build: BuildInfo) -> Self {
        Self {
            scrape: Scrape::new(build),
            readiness: None,
            reload: None,
            lifecycle: Lifecycle::ThisHost,
            #[cfg(feature = "page")]
            history_limit: HISTORY_LIMIT,
            probe: None,
        }
    }

    /// Enables `/probe`. Its targets appear among those of
    /// [`with_targets`](Self::with_targets), which must observe the same prober.
    #[must_use]
    pub fn with_probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Limits the memory of the targets' history, in bytes. Each target keeps an hour where
    /// that fits, and at least 10 minutes; 0 keeps nothing. The default is 16 MiB, which is
    /// an hour of 1,000 targets, and of 3,500 with up to ten replies in 10 seconds.
    #[cfg(feature = "page")]
    #[must_use]
    pub const fn with_history_limit(mut self, bytes: usize) -> Self {
        self.history_limit = bytes;
        self
    }

    /// Adds labels to every series, and to the targets of `/api/v1/targets`.
    #[must_use]
    pub fn with_labels(mut self, labels: GlobalLabels) -> Self {
        self.scrape.labels = labels;
        self
    }

    /// Shows the targets of a prober.
    #[must_use]
    pub fn with_targets(mut self, targets: TargetMetrics) -> Self {
        self.scrape.targets = Some(targets);
        self
    }

    /// Shows the counts of an echo server.
    #[must_use]
    pub fn with_server(mut self, stats: Arc<ServerStats>) -> Self {
        self.scrape.server = Some(stats);
        self
    }

    /// Shows the counts of a resolver.
    #[must_use]
    pub fn with_lookups(mut self, stats: Arc<LookupStats>) -> Self {
        self.scrape.lookups = Some(stats);
        self
    }

    /// Shows how many targets of a prober have no socket.
    #[must_use]
    pub fn with_sockets(mut self, stats: SocketStats) -> Self {
        self.scrape.sockets = Some(stats);
        self
    }

    /// Shows the status of each source of targets. Every scrape calls `sources`.
    #[must_use]
    pub fn with_sources(
        mut self,
        sources: impl Fn() -> Vec<SourceStatus> + Send + Sync + 'static,
    ) -> Self {
        self.scrape.sources = Some(Arc::new(sources));
        self
    }

    /// Delays readiness until `readiness` reports that everything has started.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Shows the result of the last reload.
    #[must_use]
    pub fn with_reload_status(mut self, status: ReloadStatus) -> Self {
        self.scrape.reload_status = Some(status);
        self
    }

    /// Shows how many log lines could not be written. Every scrape calls `count`.
    #[must_use]
    pub fn with_dropped_log_lines(
        mut self,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.scrape.dropped_log_lines = Some(Arc::new(count));
        self
    }

    /// Shows when the served certificate expires. Every scrape calls `expiry`; `None` shows
    /// nothing.
    #[must_use]
    pub fn with_tls_cert_expiry(
        mut self,
        expiry: impl Fn() -> Option<SystemTime> + Send + Sync + 'static,
    ) -> Self {
        self.scrape.tls_cert_expiry = Some(Arc::new(expiry));
        self
    }

    /// Calls `reload` at `POST /-/reload`, on a thread where it may block. The response
    /// waits for it.
    #[must_use]
    pub fn with_reload(
        mut self,
        reload: impl Fn() -> Result<(), ReloadError> + Send + Sync + 'static,
    ) -> Self {
        self.reload = Some(Arc::new(reload));
        self
    }

    /// Sets which clients may `POST`. The default is [`Lifecycle::ThisHost`].
    #[must_use]
    pub const fn with_lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    /// Builds the router, to be served by an [`Exporter`](crate::Exporter) or as part of
    /// another program's. It needs a tokio runtime with time enabled: a task there records
    /// the targets' history until the router and its clones are dropped.
    pub fn router(self) -> Router {
        let renderer = Arc::<Renderer>::default();
        let (targets, labels) = (self.scrape.targets.clone(), self.scrape.labels.clone());
        let mut router = Router::new().route("/-/healthy", get(async || "healthy\n"));
        if let Some(probe) = self.probe {
            let probe = probe::routes(
                probe,
                targets.clone(),
                labels.clone(),
                Arc::clone(&renderer),
            );
            router = router.merge(probe);
        }
        #[cfg(feature = "page")]
        {
            let (build, limit) = (self.scrape.build, self.history_limit);
            let page = page::routes(build, targets.clone(), labels, limit, Arc::clone(&renderer));
            router = router.merge(page);
        }
        router
            .merge(readiness::routes(self.readiness, targets))
            .merge(reload::routes(self.reload, self.lifecycle))
            .merge(scrape::routes(self.scrape, renderer))
            .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
            .layer(map_response(set_common_headers))
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("build", &self.scrape.build)
            .field("targets", &self.scrape.targets)
            .field("server", &self.scrape.server)
            .finish_non_exhaustive()
    }
}

/// Sets the headers that every response has.
async fn set_common_headers(mut response: Response) -> Response {
    set_header(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set_header(&mut response, header::CACHE_CONTROL, "no-store");
    response
}
