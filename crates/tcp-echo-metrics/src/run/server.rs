//! The echo server, on a thread of its own, so that no other part delays an echo.

use std::{net::TcpListener, num::NonZeroUsize};

use tcp_echo_metrics::cli;
use tcp_echo_server::{Address, Identity, RunningServer, Server, ServerConfig};

use super::{error::RunError, files::Budget};

/// The name of the part in messages.
const PART: &str = "echo server";

/// Starts it on `listeners`, or on its own address if there are none, with at most as many
/// connections as its share of open files.
pub(super) async fn start(
    config: &cli::ServerConfig,
    identity: &Identity,
    budget: &Budget,
    listeners: Vec<TcpListener>,
) -> Result<RunningServer, RunError> {
    let mut limits = ServerConfig::default();
    limits.max_connections = lower(config.max_connections, budget.shares.served);
    limits.max_connections_per_ip = config.max_connections_per_ip;
    limits.idle_timeout = config.idle_timeout;
    limits.slow_reader_timeout = config.slow_reader_timeout;
    limits.allow.clone_from(&config.allow);
    limits.hello = config.hello == cli::Hello::Auto;
    limits.identity = identity.clone();
    limits.max_client_stats = config.server_clients;

    let server = bind(&config.listen, listeners, limits).await?;
    server
        .start()
        .map_err(|error| RunError::Start { part: PART, error })
}

/// The lower of two limits.
fn lower(one: Option<NonZeroUsize>, other: Option<NonZeroUsize>) -> Option<NonZeroUsize> {
    [one, other].into_iter().flatten().min()
}

async fn bind(
    address: &Address,
    listeners: Vec<TcpListener>,
    limits: ServerConfig,
) -> Result<Server, RunError> {
    if listeners.is_empty() {
        return Ok(Server::bind(address, limits).await?);
    }
    Server::from_listeners(listeners, limits).map_err(|error| RunError::Start { part: PART, error })
}

/// Waits for its unexpected end.
pub(super) async fn ended(server: &mut RunningServer) -> RunError {
    let reason = match server.ended().await {
        Ok(()) => "its loop returned".to_owned(),
        Err(error) => error.to_string(),
    };
    RunError::Ended { part: PART, reason }
}
