//! What the watchdog of a service manager asks: whether a part hangs.
//!
//! The thread of the endpoints asks it, the echo server has to answer a ping, and the slots of
//! every target have to advance. So the manager restarts a program with a part that hangs, but
//! not one with a dead peer, whose slots advance as well.

use std::time::{Duration, Instant};

use tcp_echo_prober::Heartbeats;
use tcp_echo_server::ServerHandle;
use tokio::time::timeout;

/// The part that hangs, if one does.
pub(super) async fn hung(
    server: Option<ServerHandle>,
    heartbeats: Heartbeats,
    limit: Duration,
) -> Option<String> {
    if let Some(server) = server
        && !timeout(limit, server.ping()).await.unwrap_or(false)
    {
        return Some("echo server".to_owned());
    }
    let target = heartbeats.stuck(Instant::now())?;
    Some(format!("prober, at target {target}"))
}
