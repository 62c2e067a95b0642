//! The endpoints for Prometheus and people, on the program's first thread.

use std::net::{SocketAddr, TcpListener};

use tcp_echo_address::Address;
use tcp_echo_exporter::{Endpoints, Exporter};
use tokio::{sync::oneshot, task::JoinHandle};

use super::RunError;

/// Running endpoints.
pub(super) struct Running {
    local_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Lets them run, on `listeners` if there are any, else on `address`.
pub(super) async fn start(
    address: &Address,
    listeners: Vec<TcpListener>,
    endpoints: Endpoints,
) -> Result<Running, RunError> {
    let exporter = if listeners.is_empty() {
        Exporter::bind(address, endpoints.router()).await?
    } else {
        Exporter::from_listeners(listeners, endpoints.router()).map_err(|error| {
            RunError::Start {
                part: "endpoints",
                error,
            }
        })?
    };
    let local_addr = exporter.local_addr();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(exporter.serve(async { stopped.await.unwrap_or(()) }));
    Ok(Running {
        local_addr,
        stop,
        task,
    })
}

impl Running {
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends them, and waits until they have.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}
