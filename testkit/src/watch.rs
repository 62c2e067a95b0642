//! Scrapes continuously and checks the invariants at every scrape.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};

use crate::endpoint::Endpoint;
use crate::exposition::Scrape;
use crate::wait;

/// The pause between two scrapes, which leaves CPU time to the program under test.
const PAUSE: Duration = Duration::from_millis(2);

/// The loss window in tests that call [`Watch::healthy`], as set by `-window=50`.
const WINDOW: f64 = 50.0;
const HEALTHY: Duration = Duration::from_secs(10);

/// A thread that scrapes one endpoint until this is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    scrapes: AtomicU64,
    last: Mutex<Option<Arc<Scrape>>>,
    violation: Mutex<Option<String>>,
}

impl Watch {
    /// Starts scraping.
    pub fn start(endpoint: Endpoint) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            if let Err(error) = scrape_until_stopped(&endpoint, &own)
                && let Ok(mut violation) = own.violation.lock()
            {
                *violation = Some(format!("{error:#}"));
            }
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Waits until a scrape satisfies `predicate`; returns the scrape and the time it took.
    ///
    /// # Errors
    ///
    /// If no scrape does within `limit`, or a check failed.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        predicate: impl Fn(&Scrape) -> bool,
    ) -> Result<(Arc<Scrape>, Duration)> {
        let found = wait::until(what, limit, || match self.last() {
            Err(error) => Some(Err(error)),
            Ok(last) => last.filter(|scrape| predicate(scrape)).map(Ok),
        });
        match found {
            Ok((scrape, took)) => Ok((scrape?, took)),
            Err(error) => bail!("{error}; the last scrape: {}", self.summary()),
        }
    }

    /// Waits for as many consecutive replies as the loss window has slots. Slots that a busy machine
    /// overran are allowed.
    ///
    /// # Errors
    ///
    /// If there are none in time, or a check failed.
    pub fn healthy(&self) -> Result<Arc<Scrape>> {
        let mut since = self.now()?;
        let found = wait::until("a window without loss", HEALTHY, || {
            let now = match self.last() {
                Err(error) => return Some(Err(error)),
                Ok(last) => last?,
            };
            let rise = |name: &str, labels| now.sum(name, labels) - since.sum(name, labels);
            let overrun = rise("tcp_echo_unsent_total", &[("reason", "overrun")]);
            let lost =
                rise("tcp_echo_unsent_total", &[]) - overrun + rise("tcp_echo_timeouts_total", &[]);
            if lost > 0.0 {
                since = now;
                return None;
            }
            let in_window = now.sum("tcp_echo_loss_ratio", &[]) * WINDOW;
            let replied = rise("tcp_echo_received_total", &[]) >= WINDOW;
            (replied && in_window < overrun + 0.5).then_some(Ok(now))
        });
        match found {
            Ok((scrape, _)) => scrape,
            Err(error) => bail!("{error}; the last scrape: {}", self.summary()),
        }
    }

    /// Returns a scrape that began after this call.
    ///
    /// # Errors
    ///
    /// If there is none in time, or a check failed.
    pub fn now(&self) -> Result<Arc<Scrape>> {
        let seen = self.shared.scrapes.load(Ordering::Acquire);
        // The next scrape may have begun already.
        let fresh = || self.shared.scrapes.load(Ordering::Acquire) >= seen + 2;
        wait::until("a scrape", Duration::from_secs(5), || {
            (fresh() || self.violation().is_some()).then_some(())
        })?;
        self.last()?.ok_or_else(|| anyhow!("no scrape"))
    }

    /// Stops scraping; returns the number of scrapes.
    ///
    /// # Errors
    ///
    /// If a check failed.
    pub fn finish(mut self) -> Result<u64> {
        self.stop();
        self.last()?;
        Ok(self.shared.scrapes.load(Ordering::Acquire))
    }

    fn last(&self) -> Result<Option<Arc<Scrape>>> {
        if let Some(violation) = self.violation() {
            bail!(
                "scrape {}: {violation}",
                self.shared.scrapes.load(Ordering::Acquire)
            );
        }
        Ok(self.shared.last.lock().ok().and_then(|last| last.clone()))
    }

    fn violation(&self) -> Option<String> {
        self.shared
            .violation
            .lock()
            .ok()
            .and_then(|violation| violation.clone())
    }

    /// Formats the nonzero samples of the last scrape.
    fn summary(&self) -> String {
        let Ok(Some(last)) = self.last() else {
            return "none".to_owned();
        };
        last.all()
            .filter(|(name, labels, value)| {
                *value != 0.0 && !labels.contains_key("le") && name.starts_with("tcp_echo")
            })
            .map(|(name, labels, value)| match labels.get("reason") {
                Some(reason) => format!("{name}[{reason}] {value}"),
                None => format!("{name} {value}"),
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

fn scrape_until_stopped(endpoint: &Endpoint, shared: &Shared) -> Result<()> {
    let mut before = Scrape::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let scrape = Scrape::parse(&endpoint.get("/metrics")?)?;
        check(&scrape)?;
        no_counter_decreases(&before, &scrape)?;
        if let Ok(mut last) = shared.last.lock() {
            *last = Some(Arc::new(scrape.clone()));
        }
        shared.scrapes.fetch_add(1, Ordering::Release);
        before = scrape;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Checks the invariants of every target, such as sent = received + timeouts + in flight.
///
/// # Errors
///
/// The first violation.
pub fn check(scrape: &Scrape) -> Result<()> {
    for (labels, sent) in scrape.matching("tcp_echo_sent_total", &[]) {
        let target = labels.get("target").map_or("", String::as_str);
        let of = [("target", target)];
        let get = |name: &str| scrape.get(name, &of);
        let received = get("tcp_echo_received_total")?;
        let timeouts = get("tcp_echo_timeouts_total")?;
        let in_flight = get("tcp_echo_in_flight")?;
        ensure!(
            is_close(sent, received + timeouts + in_flight),
            "{target}: sent {sent} is not received {received} + timeouts {timeouts} + in flight {in_flight}"
        );
        let (ratio, percent) = (get("tcp_echo_loss_ratio")?, get("tcp_echo_loss_percent")?);
        ensure!(
            (0.0..=1.0).contains(&ratio) && is_close(ratio * 100.0, percent),
            "{target}: loss of {ratio} and {percent} percent"
        );
        let late = get("tcp_echo_late_total")?;
        ensure!(
            late <= timeouts,
            "{target}: {late} late replies, but {timeouts} timeouts"
        );
        for (counter, histogram) in [
            ("received", "rtt_seconds"),
            ("sent", "send_lateness_seconds"),
            ("connects", "connect_duration_seconds"),
        ] {
            let counted = get(&format!("tcp_echo_{counter}_total"))?;
            let observed = get(&format!("tcp_echo_{histogram}_count"))?;
            ensure!(
                is_close(counted, observed),
                "{target}: {counter} {counted}, but {observed} in {histogram}"
            );
        }
    }
    Ok(())
}

/// Checks that each counter of the earlier scrape is in the later one and did not decrease.
///
/// # Errors
///
/// The first counter that decreased or disappeared.
pub fn no_counter_decreases(before: &Scrape, after: &Scrape) -> Result<()> {
    for (name, labels, value) in before.all() {
        let counts = ["_total", "_bucket", "_count"]
            .iter()
            .any(|end| name.ends_with(end));
        if !counts {
            continue;
        }
        let wanted: Vec<_> = labels
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let now = after.get(name, &wanted)?;
        ensure!(
            now >= value,
            "{name}{labels:?} decreased from {value} to {now}"
        );
    }
    Ok(())
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[cfg(test)]
mod tests {
    use super::{Scrape, check, no_counter_decreases};

    fn scrape(received: u32, percent: &str) -> Scrape {
        let text = format!(
            "tcp_echo_sent_total{{target=\"a\"}} 10\n\
             tcp_echo_received_total{{target=\"a\"}} {received}\n\
             tcp_echo_timeouts_total{{target=\"a\"}} 2\n\
             tcp_echo_late_total{{target=\"a\"}} 1\n\
             tcp_echo_in_flight{{target=\"a\"}} 1\n\
             tcp_echo_loss_ratio{{target=\"a\"}} 0.25\n\
             tcp_echo_loss_percent{{target=\"a\"}} {percent}\n\
             tcp_echo_connects_total{{target=\"a\"}} 1\n\
             tcp_echo_rtt_seconds_count{{target=\"a\"}} {received}\n\
             tcp_echo_send_lateness_seconds_count{{target=\"a\"}} 10\n\
             tcp_echo_connect_duration_seconds_count{{target=\"a\"}} 1\n"
        );
        Scrape::parse(&text).unwrap()
    }

    #[test]
    fn a_wrong_sum_is_detected() {
        check(&scrape(7, "25")).unwrap();
        assert!(check(&scrape(8, "25")).is_err());
        assert!(check(&scrape(7, "0.25")).is_err());
    }

    #[test]
    fn a_decreasing_counter_is_detected() {
        no_counter_decreases(&scrape(7, "25"), &scrape(8, "5")).unwrap();
        assert!(no_counter_decreases(&scrape(8, "25"), &scrape(7, "25")).is_err());
    }
}
