//! The echo server, on a thread of its own, so that no other part delays an echo.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tcp_echo_metrics::cli;
use tcp_echo_server::{Address, Server, ServerConfig, ServerHandle, ServerStats};
use tokio::sync::oneshot;

use super::{error::RunError, files::Budget};

/// The name of the part in messages.
const PART: &str = "echo server";

/// A running echo server.
pub(super) struct EchoServer {
    local_addr: SocketAddr,
    stats: Arc<ServerStats>,
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
    thread: JoinHandle<()>,
}

impl EchoServer {
    /// Starts it on `listeners`, or on its own address if there are none, with at most as many
    /// connections as its share of open files.
    pub(super) async fn start(
        config: &cli::ServerConfig,
        budget: &Budget,
        listeners: Vec<TcpListener>,
    ) -> Result<Self, RunError> {
        let mut limits = ServerConfig::default();
        limits.max_connections = lower(config.max_connections, budget.shares.served);
        limits.max_connections_per_ip = config.max_connections_per_ip;
        limits.idle_timeout = config.idle_timeout;
        limits.slow_reader_timeout = config.slow_reader_timeout;
        limits.allow.clone_from(&config.allow);

        let server = serve(&config.listen, listeners, limits).await?;
        let (local_addr, stats, handle) = (server.local_addr(), server.stats(), server.handle());
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("echo-server".to_owned())
            .spawn(move || {
                let _ = end.send(server.run_blocking());
            })
            .map_err(|error| RunError::Start { part: PART, error })?;
        Ok(Self {
            local_addr,
            stats,
            handle,
            ended,
            thread,
        })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn stats(&self) -> &Arc<ServerStats> {
        &self.stats
    }

    /// A handle to ping its thread.
    pub(super) fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Waits for its unexpected end.
    pub(super) async fn ended(&mut self) -> RunError {
        let reason = match (&mut self.ended).await {
            Ok(Ok(())) => "its loop returned".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its thread panicked".to_owned(),
        };
        RunError::Ended { part: PART, reason }
    }

    /// Stops it, and waits until it has ended.
    pub(super) async fn stop(self) {
        self.handle.stop();
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// The lower of two limits.
fn lower(one: Option<NonZeroUsize>, other: Option<NonZeroUsize>) -> Option<NonZeroUsize> {
    [one, other].into_iter().flatten().min()
}

async fn serve(
    address: &Address,
    listeners: Vec<TcpListener>,
    limits: ServerConfig,
) -> Result<Server, RunError> {
    if listeners.is_empty() {
        return Ok(Server::bind(address, limits).await?);
    }
    Server::from_listeners(listeners, limits).map_err(|error| RunError::Start { part: PART, error })
}
