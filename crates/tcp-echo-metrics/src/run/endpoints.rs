//! The endpoints for Prometheus and people, on the program's first thread.

use std::net::{SocketAddr, TcpListener};

use axum::Router;
use tcp_echo_exporter::{AllowedHosts, Endpoints, Exporter};
use tcp_echo_metrics::cli::{Config, GoDuration};
use tcp_echo_web::Web;
use tokio::{sync::oneshot, task::JoinHandle};
use tracing::info;

use super::RunError;

/// Running endpoints.
pub(super) struct Running {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    /// With the targets' numbers, which are freed when this is dropped and not when the task ends.
    _router: Router,
}

/// Who may come and how, if there is a file about it.
pub(super) fn web(config: &Config) -> Result<Option<Web>, RunError> {
    let load = |path| Web::load(path, GoDuration::parse_positive);
    Ok(config.web_config.as_ref().map(load).transpose()?)
}

/// Lets them run, on `listeners` if there are any, else on the address of the configuration.
pub(super) async fn start(
    config: &Config,
    listeners: Vec<TcpListener>,
    mut endpoints: Endpoints,
    web: Option<&Web>,
) -> Result<Running, RunError> {
    if let Some(web) = web.cloned() {
        endpoints = endpoints.with_tls_cert_expiry(move || web.certificate_expiry());
    }
    let mut router = endpoints.router();
    if let Some(web) = web {
        router = web.protect(router);
    }
    let kept = router.clone();
    let mut exporter = if listeners.is_empty() {
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
    exporter = exporter.with_allowed_hosts(hosts);
    let tls = web.and_then(Web::tls_acceptor);
    let (is_tls, has_users) = (tls.is_some(), web.is_some_and(Web::has_users));
    if let Some(tls) = tls {
        exporter = exporter.with_acceptor(move |stream| {
            let tls = tls.clone();
            async move { tls.accept(stream).await }
        });
    }
    let local_addr = exporter.local_addr();
    let page = page_url(local_addr, is_tls);
    if web.is_some() {
        info!(address = %local_addr, page, tls = is_tls, users = has_users, "metrics endpoint listens");
    } else {
        info!(address = %local_addr, page, "metrics endpoint listens");
    }
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(exporter.serve(async { stopped.await.unwrap_or(()) }));
    Ok(Running {
        local_addr,
        stop: Some(stop),
        task,
        _router: kept,
    })
}

/// The address of the status page, as a browser on this host takes it.
fn page_url(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    if address.ip().is_unspecified() {
        format!("{scheme}://localhost:{}/", address.port())
    } else {
        format!("{scheme}://{address}/")
    }
}

impl Running {
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until they have ended without having been told to.
    pub(super) async fn ended(&mut self) -> RunError {
        RunError::of_task("endpoints", (&mut self.task).await)
    }

    /// Ends them, and waits until they have.
    pub(super) async fn stop(&mut self) {
        // All that waits for it ends when it is gone.
        drop(self.stop.take());
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::page_url;

    #[test]
    fn the_page_is_a_link_to_open() {
        for (address, is_tls, page) in [
            ("0.0.0.0:2112", false, "http://localhost:2112/"),
            ("[::]:2112", true, "https://localhost:2112/"),
            ("10.0.0.1:80", false, "http://10.0.0.1:80/"),
            ("[2001:db8::1]:2112", true, "https://[2001:db8::1]:2112/"),
        ] {
            assert_eq!(page_url(address.parse().unwrap(), is_tls), page);
        }
    }
}
