//! `/metrics`: everything that the program exposes.

use std::{sync::Arc, time::SystemTime};

use axum::{Router, extract::State, response::Response, routing::get};
use tcp_echo_prober::SocketStats;
use tcp_echo_resolve::LookupStats;
use tcp_echo_server::ServerStats;

use crate::{
    encoding::{encoder::Collector, format::Format, global_labels::GlobalLabels},
    exposition::{
        self,
        collect::{OwnHostCollector, TargetCollector},
    },
    http::{client::Client, renderer::Renderer},
    metrics::{
        build_info::{BuildInfo, BuildInfoCollector},
        discovery::{LookupCollector, SourceCollector, SourceStatus},
        links::LinkCollector,
        process::ProcessCollector,
        reload_status::ReloadStatus,
        server::ServerCollector,
        sockets::SocketCollector,
        targets::TargetMetrics,
    },
};

type SourcesHook = dyn Fn() -> Vec<SourceStatus> + Send + Sync;

/// Where the metrics of a scrape come from.
#[derive(Clone)]
pub(super) struct Scrape {
    pub(super) build: BuildInfo,
    pub(super) labels: GlobalLabels,
    pub(super) reload_status: Option<ReloadStatus>,
    pub(super) dropped_log_lines: Option<Arc<dyn Fn() -> u64 + Send + Sync>>,
    pub(super) tls_cert_expiry: Option<Arc<dyn Fn() -> Option<SystemTime> + Send + Sync>>,
    pub(super) targets: Option<TargetMetrics>,
    pub(super) sockets: Option<SocketStats>,
    pub(super) server: Option<Arc<ServerStats>>,
    pub(super) lookups: Option<Arc<LookupStats>>,
    pub(super) sources: Option<Arc<SourcesHook>>,
}

impl Scrape {
    /// The metrics of the process alone.
    pub(super) const fn new(build: BuildInfo) -> Self {
        Self {
            build,
            labels: GlobalLabels::none(),
            reload_status: None,
            dropped_log_lines: None,
            tls_cert_expiry: None,
            targets: None,
            sockets: None,
            server: None,
            lookups: None,
            sources: None,
        }
    }

    /// Collects everything once: all listed targets are read at this moment.
    fn collectors(&self, process: ProcessCollector, format: Format) -> Vec<Box<dyn Collector>> {
        let mut collectors: Vec<Box<dyn Collector>> = vec![Box::new(BuildInfoCollector {
            build: self.build,
            reload_status: self.reload_status.clone(),
            dropped_log_lines: self.dropped_log_lines.as_ref().map(|count| count()),
            tls_cert_expiry: self.tls_cert_expiry.as_ref().and_then(|expiry| expiry()),
        })];
        if let Some(targets) = &self.targets {
            let native = format == Format::Protobuf;
            collectors.push(Box::new(TargetCollector(targets.snapshot_listed(native))));
            collectors.push(Box::new(OwnHostCollector(targets.clone())));
            let paths = targets.paths().cloned();
            collectors.extend(paths.map(|paths| Box::new(LinkCollector(paths)) as _));
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

struct AppState {
    scrape: Scrape,
    process: ProcessCollector,
    renderer: Arc<Renderer>,
}

pub(super) fn routes(scrape: Scrape, renderer: Arc<Renderer>) -> Router {
    let state = AppState {
        scrape,
        process: ProcessCollector::new(),
        renderer,
    };
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(Arc::new(state))
}

async fn metrics(State(state): State<Arc<AppState>>, client: Client) -> Response {
    let (scrape, process) = (state.scrape.clone(), state.process.clone());
    let labels = scrape.labels.clone();
    let collectors = move |format| scrape.collectors(process, format);
    exposition::respond(&state.renderer, &client, labels, collectors).await
}
