//! Scrapes a process every second and checks the invariants.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use testkit::endpoint::Endpoint;
use testkit::exposition::Scrape;
use testkit::watch;

use super::Nanos;

const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

/// A scrape, which shows some moment between its start and its end.
pub(super) struct Reading {
    pub(super) from: Nanos,
    pub(super) until: Nanos,
    pub(super) scrape: Scrape,
}

impl Reading {
    /// Returns the sum of the counters with these labels.
    pub(super) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter is a whole number from 0"
        )]
        let count = self.scrape.sum(name, labels) as u64;
        count
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    scrapes: Mutex<Scrapes>,
}

/// The results of all scrapes.
#[derive(Default)]
pub(super) struct Scrapes {
    pub(super) readings: Vec<Reading>,
    /// The times of failed scrapes.
    pub(super) failed: Vec<(Nanos, Nanos)>,
    pub(super) violations: Vec<String>,
}

/// A thread that scrapes until it is stopped.
pub(super) struct Scraper {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Scraper {
    pub(super) fn start(endpoint: Endpoint) -> Self {
        let shared = Arc::new(Shared::default());
        let (own, from) = (Arc::clone(&shared), endpoint.clone());
        let thread = thread::spawn(move || {
            while !own.stop.load(Ordering::Relaxed) {
                scrape_once(&from, &own);
                let next = Instant::now() + INTERVAL;
                // In short steps, so that stopping is fast.
                while Instant::now() < next && !own.stop.load(Ordering::Relaxed) {
                    thread::sleep(INTERVAL / 20);
                }
            }
        });
        Self {
            endpoint,
            shared,
            thread: Some(thread),
        }
    }

    /// Stops, after one more scrape if `last` is set.
    pub(super) fn finish(mut self, last: bool) -> Scrapes {
        self.stop();
        if last {
            scrape_once(&self.endpoint, &self.shared);
        }
        let scrapes = self.shared.scrapes.lock();
        std::mem::take(&mut *scrapes.unwrap_or_else(PoisonError::into_inner))
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has already printed its message.
            let _ = thread.join();
        }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop();
    }
}

fn scrape_once(endpoint: &Endpoint, shared: &Shared) {
    let from = now();
    let scrape = endpoint.scrape();
    let until = now();
    let scrapes = shared.scrapes.lock();
    let mut scrapes = scrapes.unwrap_or_else(PoisonError::into_inner);
    let Ok(mut scrape) = scrape else {
        return scrapes.failed.push((from, until));
    };
    if let Err(error) = watch::check(&scrape).and_then(|()| check_connections(&scrape)) {
        scrapes.violations.push(format!("{error:#}"));
    }
    // Extra targets are added and removed by reloads; without a free file descriptor, a process
    // has no metrics of itself.
    scrape.retain(|name, labels| {
        let target = labels.get("target");
        target.is_none_or(|target| !target.starts_with("extra")) && !name.starts_with("process_")
    });
    if let Some(before) = scrapes.readings.last()
        && let Err(error) = watch::no_counter_decreases(&before.scrape, &scrape)
    {
        scrapes.violations.push(format!("{error:#}"));
    }
    scrapes.readings.push(Reading {
        from,
        until,
        scrape,
    });
}

fn check_connections(scrape: &Scrape) -> Result<()> {
    for (labels, connected) in scrape.matching("tcp_echo_connected", &[]) {
        let target = labels.get("target").map_or("", String::as_str);
        let of = [("target", target)];
        let made = scrape.get("tcp_echo_connects_total", &of)?;
        let ended = scrape.sum("tcp_echo_disconnects_total", &of);
        ensure!(
            (made - ended - connected).abs() < 1e-6,
            "{target}: {made} connects, {ended} disconnects, connected {connected}"
        );
        ensure!(
            scrape.get("tcp_echo_unexpected_total", &of)? < 0.5,
            "{target}: unexpected frames"
        );
    }
    Ok(())
}
