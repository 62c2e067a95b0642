//! Heartbeats for the watchdog of a service manager.
//!
//! A heartbeat needs every part to be alive: the thread of the endpoints sends it, the echo
//! server has to answer a ping, and the slots of every target have to advance. So the manager
//! restarts a program with a part that hangs, but not one with a dead peer, whose slots
//! advance as well.

use std::time::{Duration, Instant};

use tcp_echo_server::ServerHandle;
use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::warn;

use super::{heartbeats::Heartbeats, server::EchoServer, service::Supervisor};

/// The number of heartbeats per timeout of the watchdog.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// Sends heartbeats until it is dropped.
pub(super) struct Watchdog(Option<AbortHandle>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Starts to send heartbeats, if there is a watchdog.
pub(super) fn start(
    supervisor: &Supervisor,
    server: Option<&EchoServer>,
    heartbeats: Heartbeats,
) -> Watchdog {
    let Some(limit) = supervisor.watchdog() else {
        return Watchdog(None);
    };
    let server = server.map(EchoServer::handle);
    let heartbeat = supervisor.heartbeat();
    let task = tokio::spawn(async move {
        let period = limit / HEARTBEATS_PER_TIMEOUT;
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_logged = false;
        loop {
            ticks.tick().await;
            match hung(server.as_ref(), &heartbeats, period).await {
                None => {
                    is_logged = false;
                    heartbeat();
                }
                Some(part) if !is_logged => {
                    is_logged = true;
                    warn!(part, "a part hangs: sending no heartbeats to the watchdog");
                }
                Some(_) => {}
            }
        }
    });
    Watchdog(Some(task.abort_handle()))
}

/// The part that hangs, if one does.
async fn hung(
    server: Option<&ServerHandle>,
    heartbeats: &Heartbeats,
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
