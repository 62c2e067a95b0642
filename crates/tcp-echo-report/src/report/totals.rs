//! The totals of all targets, as an observer.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tcp_echo_prober::{Event, Observer, Sensor, Session, Target};
use tokio::sync::Notify;

use super::lines::Lines;
use super::target_totals::TargetTotals;

/// Counts the events of all targets, up to a number of slots each. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Totals(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u64,
    lines: Option<Lines>,
    targets: Mutex<Vec<Arc<Cell>>>,
    /// The number of targets expected, at least.
    expected: AtomicUsize,
    /// The number of targets that are complete.
    finished: AtomicUsize,
    all_finished: Notify,
}

/// One target and its totals.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) target: Target,
    totals: Mutex<TargetTotals>,
    /// The slots counted, for the progress bar to read without the lock.
    slots: AtomicU64,
}

/// Counts the events of one target.
#[derive(Debug)]
pub struct TotalsSensor {
    cell: Arc<Cell>,
    shared: Arc<Shared>,
}

impl Totals {
    /// Counts up to `limit` slots of each of `targets` targets.
    pub fn new(targets: usize, limit: Option<u64>) -> Self {
        Self::with_lines(targets, limit, None)
    }

    /// The same, with a line for each event that is counted.
    pub(crate) fn with_lines(targets: usize, limit: Option<u64>, lines: Option<Lines>) -> Self {
        Self(Arc::new(Shared {
            limit: limit.unwrap_or(u64::MAX),
            lines,
            targets: Mutex::default(),
            expected: AtomicUsize::new(targets),
            finished: AtomicUsize::new(0),
            all_finished: Notify::new(),
        }))
    }

    /// Waits until every target has all its slots with their outcomes.
    pub async fn finished(&self) {
        while !self.0.are_finished() {
            self.0.all_finished.notified().await;
        }
    }

    /// Stops counting slots. Probes in flight still get their outcomes.
    pub fn close(&self) {
        for cell in self.targets() {
            let mut totals = cell.lock();
            let was_complete = totals.is_complete();
            totals.close();
            if !was_complete && totals.is_complete() {
                self.0.one_finished();
            }
        }
    }

    /// The longest timeout, at its maximum, of any target.
    pub(crate) fn longest_timeout(&self) -> Duration {
        let targets = self.targets().into_iter();
        let timeouts = targets.map(|cell| cell.target.session().max_timeout());
        timeouts.max().unwrap_or_default()
    }

    /// The slots counted so far, of all targets.
    pub fn slots(&self) -> u64 {
        let targets = self.targets().into_iter();
        targets.map(|cell| cell.slots.load(Ordering::Relaxed)).sum()
    }

    /// The queue of lines, if there is one.
    pub(crate) fn lines(&self) -> Option<&Lines> {
        self.0.lines.as_ref()
    }

    /// All targets, in the order of their attachment.
    pub(super) fn targets(&self) -> Vec<Arc<Cell>> {
        lock(&self.0.targets).clone()
    }
}

impl Shared {
    fn are_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire) >= self.expected.load(Ordering::Acquire)
    }

    fn one_finished(&self) {
        self.finished.fetch_add(1, Ordering::AcqRel);
        if self.are_finished() {
            self.all_finished.notify_one();
        }
    }
}

impl Cell {
    pub(super) fn lock(&self) -> MutexGuard<'_, TargetTotals> {
        lock(&self.totals)
    }
}

impl Observer for Totals {
    type Sensor = TotalsSensor;

    fn attach(&self, target: &Target) -> TotalsSensor {
        let cell = Arc::new(Cell {
            target: target.clone(),
            totals: Mutex::new(TargetTotals::new(target.session(), self.0.limit)),
            slots: AtomicU64::new(0),
        });
        let mut targets = lock(&self.0.targets);
        targets.push(Arc::clone(&cell));
        // A list of targets may grow.
        self.0.expected.fetch_max(targets.len(), Ordering::AcqRel);
        TotalsSensor {
            cell,
            shared: Arc::clone(&self.0),
        }
    }
}

impl Sensor for TotalsSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        let mut totals = self.cell.lock();
        let was_complete = totals.is_complete();
        let counted = totals.count(event, session);
        let is_complete = totals.is_complete();
        drop(totals);
        let Some(slots) = counted else {
            return;
        };
        if slots > 0 {
            // This is the only writer.
            let before = self.cell.slots.load(Ordering::Relaxed);
            self.cell.slots.store(before + slots, Ordering::Relaxed);
        }
        if let Some(lines) = &self.shared.lines {
            lines.write(self.cell.target.name(), event, slots);
        }
        if is_complete && !was_complete {
            self.shared.one_finished();
        }
    }
}

/// A removed target is complete.
impl Drop for TotalsSensor {
    fn drop(&mut self) {
        let mut totals = self.cell.lock();
        let was_complete = totals.is_complete();
        totals.abandon();
        if !was_complete {
            self.shared.one_finished();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
