//! Heartbeats for the watchdog of a service manager.

use std::{future::Future, time::Duration};

use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

/// The number of heartbeats per timeout of the watchdog.
const HEARTBEATS_PER_TIMEOUT: u32 = 3;

/// Sends heartbeats until it is dropped.
#[derive(Debug)]
pub struct Watchdog(Option<AbortHandle>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Watchdog {
    /// The manager has no watchdog.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Calls `heartbeat` several times per `timeout`, unless `hung` names a part.
    pub(crate) fn start<F>(
        timeout: Duration,
        heartbeat: impl Fn() + Send + 'static,
        mut hung: impl FnMut(Duration) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Option<String>> + Send,
    {
        let task = tokio::spawn(async move {
            let period = timeout / HEARTBEATS_PER_TIMEOUT;
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut is_logged = false;
            loop {
                ticks.tick().await;
                match hung(period).await {
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
        Self(Some(task.abort_handle()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    };

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_needs_all_parts() {
        let (sent, hangs) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let heartbeat = {
            let sent = Arc::clone(&sent);
            move || _ = sent.fetch_add(1, Ordering::Relaxed)
        };
        let hung = {
            let hangs = Arc::clone(&hangs);
            move |limit| {
                assert_eq!(limit, Duration::from_secs(3));
                let hangs = hangs.load(Ordering::Relaxed);
                async move { hangs.then(|| "prober".to_owned()) }
            }
        };
        let watchdog = Watchdog::start(Duration::from_secs(9), heartbeat, hung);
        let sent_after = async |seconds| {
            sleep(Duration::from_secs(seconds)).await;
            sent.swap(0, Ordering::Relaxed)
        };
        assert_eq!(sent_after(10).await, 4);
        hangs.store(true, Ordering::Relaxed);
        assert_eq!(sent_after(10).await, 0);
        hangs.store(false, Ordering::Relaxed);
        assert_eq!(sent_after(9).await, 3);
        drop(watchdog);
        assert_eq!(sent_after(9).await, 0);
    }
}
