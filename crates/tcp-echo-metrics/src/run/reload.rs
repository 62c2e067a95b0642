//! Reading the targets files again, and telling how it went and how it goes with each source.

use std::{convert::Infallible, future::Future};

use tcp_echo_exporter::{Endpoints, ReloadStatus, SourceStatus};
use tcp_echo_targets::Handle;
use tokio::runtime;

/// Reloads the targets files when it is told to.
pub(super) struct Reload {
    source: Handle,
    status: ReloadStatus,
}

impl Reload {
    /// Of a source that was loaded once.
    pub(super) fn new(source: Handle) -> Self {
        let status = ReloadStatus::loaded(source.status().success_time);
        Self { source, status }
    }

    /// Lets the endpoints tell how it goes, and ask for it.
    pub(super) fn show(&self, endpoints: Endpoints) -> Endpoints {
        let (source, shown) = (self.source.clone(), self.source.clone());
        let runtime = runtime::Handle::current();
        endpoints
            .with_sources(move || shown.sources().into_iter().map(status).collect())
            .with_reload_status(self.status.clone())
            .with_reload(move || Ok(runtime.block_on(source.reload())?))
    }

    /// Begins a reload, whose result is told by the log and the metrics.
    pub(super) fn begin(&self) {
        let source = self.source.clone();
        // It ends by itself, and reads no more than the source lets it.
        tokio::spawn(async move { source.reload().await });
    }

    /// Keeps the metrics at what the source says of its loads, whatever their cause.
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
