//! Reloads of the targets files, and their status.

use std::{convert::Infallible, future::Future};

use tcp_echo_exporter::{Endpoints, ReloadStatus, SourceStatus};
use tcp_echo_targets::Handle;
use tokio::runtime;

/// Reloads the targets files on request.
pub(super) struct Reload {
    source: Handle,
    status: ReloadStatus,
}

impl Reload {
    /// Reloads of a source that was loaded once.
    pub(super) fn new(source: Handle) -> Self {
        let status = ReloadStatus::loaded(source.status().success_time);
        Self { source, status }
    }

    /// Adds the reload and its status to the endpoints.
    pub(super) fn extend(&self, endpoints: Endpoints) -> Endpoints {
        let (source, shown) = (self.source.clone(), self.source.clone());
        let runtime = runtime::Handle::current();
        endpoints
            .with_sources(move || shown.sources().into_iter().map(status).collect())
            .with_reload_status(self.status.clone())
            .with_reload(move || Ok(runtime.block_on(source.reload())?))
    }

    /// Begins a reload. Log and metrics have its result.
    pub(super) fn begin(&self) {
        let source = self.source.clone();
        // The source bounds the time and the size of a reload.
        tokio::spawn(async move { source.reload().await });
    }

    /// Updates the metrics after each load, whatever caused it.
    pub(super) fn follow(&self) -> impl Future<Output = Infallible> + Send + use<> {
        let (mut source, status) = (self.source.clone(), self.status.clone());
        async move {
            loop {
                let loaded = source.changed().await;
                if loaded.successful {
                    status.succeeded(loaded.success_time);
                } else {
                    status.failed();
                }
            }
        }
    }
}

fn status(status: tcp_echo_targets::SourceStatus) -> SourceStatus {
    SourceStatus {
        source: status.source,
        targets: status.targets,
        last_success: status.last_success,
    }
}
