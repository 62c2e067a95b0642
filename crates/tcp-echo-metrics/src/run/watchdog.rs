//! Signs of life for a service manager that wants them.
//!
//! One is given only when every part of the program has shown that it lives: the
//! thread of the endpoints by giving it, that of the echo server by answering, and
//! those that probe by slots of every target that go on. So a part that hangs gets the
//! whole program restarted, while a peer that is dead does not: its slots go on.

use std::time::{Duration, Instant};

use tcp_echo_metrics::service::Supervisor;
use tcp_echo_server::ServerHandle;
use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::warn;

use super::{heartbeats::Heartbeats, server::EchoServer};

/// How many signs are given in the time in which one is wanted.
const SIGNS: u32 = 3;

/// Signs are given until this is dropped.
pub(super) struct Watchdog(Option<AbortHandle>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Begins to give signs, if anybody wants them.
pub(super) fn start(
    supervisor: &Supervisor,
    server: Option<&EchoServer>,
    heartbeats: Heartbeats,
) -> Watchdog {
    let Some(limit) = supervisor.watchdog() else {
        return Watchdog(None);
    };
    let server = server.map(EchoServer::handle);
    let alive = supervisor.signs();
    let task = tokio::spawn(async move {
        let every = limit / SIGNS;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = false;
        loop {
            ticks.tick().await;
            match hung(server.as_ref(), &heartbeats, every).await {
                None => {
                    said = false;
                    alive();
                }
                Some(part) if !said => {
                    said = true;
                    warn!(
                        part,
                        "a part of the program hangs: no sign of life is given"
                    );
                }
                Some(_) => {}
            }
        }
    });
    Watchdog(Some(task.abort_handle()))
}

/// What hangs, if anything does.
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
    let target = heartbeats.missing(Instant::now())?;
    Some(format!("prober, at target {target}"))
}
