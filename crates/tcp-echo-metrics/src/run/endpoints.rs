//! The endpoints for Prometheus and people, on the main thread.

use std::net::{SocketAddr, TcpListener};

use axum::Router;
use tcp_echo_exporter::{AllowedHosts, Endpoints, Exporter};
use tcp_echo_metrics::cli::Config;
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::info;

use super::{error::RunError, web::Web};

/// Running endpoints.
pub(super) struct Running {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    /// Has the metrics of the targets, which are freed with this rather than with the task.
    _router: Router,
}

/// Starts them on `listeners`, or on the address of the configuration if there are none.
pub(super) async fn start(
    config: &Config,
    listeners: Vec<TcpListener>,
    endpoints: Endpoints,
    web: &Web,
) -> Result<Running, RunError> {
    let router = web.protect(web.extend(endpoints).router());
    let kept = router.clone();
    let exporter = if listeners.is_empty() {
        Exporter::bind(&config.metrics, router).await?
    } else {
        Exporter::from_listeners(listeners, router).map_err(|error| RunError::Start {
            part: "endpoints",
            error,
        })?
    };
    let hosts = match &config.allowed_hosts {
        Some(hosts) => hosts.clone(),
        None if exporter.is_on_loopback() => AllowedHosts::loopback(),
        None => AllowedHosts::any(),
    };
    let exporter = web.encrypt(exporter.with_allowed_hosts(hosts));
    let local_addr = exporter.local_addr();
    let (tls, users) = web.tls_and_users().unzip();
    let page = cfg!(feature = "page").then(|| exporter.page_url(tls.unwrap_or(false)));
    info!(address = %local_addr, page, tls, users, "metrics endpoint listens");
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(exporter.serve(async { stopped.await.unwrap_or(()) }));
    Ok(Running {
        local_addr,
        stop: Some(stop),
        task,
        _router: kept,
    })
}

impl Running {
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits for their unexpected end.
    pub(super) async fn ended(&mut self) -> RunError {
        RunError::of_task("endpoints", (&mut self.task).await)
    }

    /// Stops them, and waits until they have ended.
    pub(super) async fn stop(&mut self) {
        // To drop it is the signal.
        drop(self.stop.take());
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }
}
