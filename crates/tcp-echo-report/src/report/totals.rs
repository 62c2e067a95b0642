//! The totals of all targets, as an observer.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tcp_echo_prober::{Event, Observer, Sensor, Session, Target};
use tokio::sync::Notify;

use super::lines::{self, Lines};
use super::target_totals::TargetTotals;

/// Counts the events of all targets, up to a number of slots of each flow. Clones share the counts.
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

/// One target and its flows.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) target: Target,
    flows: Box<[Arc<Flow>]>,
    /// The number of flows that are not complete.
    unfinished: AtomicUsize,
}

/// One flow and its totals.
#[derive(Debug)]
struct Flow {
    totals: Mutex<TargetTotals>,
    /// The slots counted, for the progress bar to read without the lock.
    slots: AtomicU64,
    is_attached: AtomicBool,
}

/// Counts the events of one flow of a target.
#[derive(Debug)]
pub struct TotalsSensor {
    cell: Arc<Cell>,
    flow: Arc<Flow>,
    /// What lines name.
    name: lines::Flow,
    shared: Arc<Shared>,
}

impl Totals {
    /// Counts up to `limit` slots of each flow of `targets` targets.
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
            for flow in &cell.flows {
                let mut totals = flow.lock();
                let was_complete = totals.is_complete();
                totals.close();
                if !was_complete && totals.is_complete() {
                    self.0.flow_finished(&cell);
                }
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
        targets.map(|cell| cell.slots()).sum()
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

    /// A flow of a target, with the other flows of it that are attached already.
    fn attach(&self, target: &Target, flow: u16) -> (Arc<Cell>, Arc<Flow>) {
        let mut targets = lock(&self.targets);
        if target.flows().get() > 1 {
            let known = targets.iter().rev().filter(|cell| cell.target == *target);
            let attached = known.filter_map(|cell| Some((Arc::clone(cell), cell.attach(flow)?)));
            if let Some(attached) = attached.into_iter().next() {
                return attached;
            }
        }
        let cell = Arc::new(Cell::new(target, self.limit));
        let flow = cell.attach(flow);
        // A flow that the target has not is no part of it.
        let flow = flow.unwrap_or_else(|| Arc::new(Flow::new(target, self.limit)));
        targets.push(Arc::clone(&cell));
        // A list of targets may grow.
        self.expected.fetch_max(targets.len(), Ordering::AcqRel);
        (cell, flow)
    }

    /// A flow of the target is complete. With the last one the target is.
    fn flow_finished(&self, cell: &Cell) {
        if cell.unfinished.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.finished.fetch_add(1, Ordering::AcqRel);
        if self.are_finished() {
            self.all_finished.notify_one();
        }
    }
}

impl Cell {
    fn new(target: &Target, limit: u64) -> Self {
        let flows = 0..target.flows().get();
        Self {
            target: target.clone(),
            unfinished: AtomicUsize::new(flows.len()),
            flows: flows.map(|_| Arc::new(Flow::new(target, limit))).collect(),
        }
    }

    /// The flow of this number, if it was not attached yet. It is from now on.
    fn attach(&self, flow: u16) -> Option<Arc<Flow>> {
        let flow = self.flows.get(usize::from(flow))?;
        let is_new = !flow.is_attached.swap(true, Ordering::Relaxed);
        is_new.then(|| Arc::clone(flow))
    }

    fn slots(&self) -> u64 {
        let flows = self.flows.iter();
        flows.map(|flow| flow.slots.load(Ordering::Relaxed)).sum()
    }

    /// Calls `read` with the totals of all flows together.
    pub(super) fn read<T>(&self, read: impl FnOnce(&TargetTotals) -> T) -> Option<T> {
        match &*self.flows {
            [flow] => Some(read(&flow.lock())),
            flows => TargetTotals::sum(flows.iter().map(|flow| flow.lock())).map(|sum| read(&sum)),
        }
    }
}

impl Flow {
    fn new(target: &Target, limit: u64) -> Self {
        Self {
            totals: Mutex::new(TargetTotals::new(target.session(), limit)),
            slots: AtomicU64::new(0),
            is_attached: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TargetTotals> {
        lock(&self.totals)
    }
}

impl Observer for Totals {
    type Sensor = TotalsSensor;

    fn attach(&self, target: &Target) -> TotalsSensor {
        self.attach_flow(target, 0)
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> TotalsSensor {
        let number = (target.flows().get() > 1).then_some(flow);
        let (cell, flow) = self.0.attach(target, flow);
        TotalsSensor {
            cell,
            flow,
            name: (Arc::clone(target.name()), number),
            shared: Arc::clone(&self.0),
        }
    }
}

impl Sensor for TotalsSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        let mut totals = self.flow.lock();
        let was_complete = totals.is_complete();
        let counted = totals.count(event, session);
        let is_complete = totals.is_complete();
        drop(totals);
        let Some(slots) = counted else {
            return;
        };
        if slots > 0 {
            // This is the only writer.
            let before = self.flow.slots.load(Ordering::Relaxed);
            self.flow.slots.store(before + slots, Ordering::Relaxed);
        }
        if let Some(lines) = &self.shared.lines {
            lines.write(&self.name, event, slots);
        }
        if is_complete && !was_complete {
            self.shared.flow_finished(&self.cell);
        }
    }
}

/// A flow of a removed target is complete.
impl Drop for TotalsSensor {
    fn drop(&mut self) {
        let mut totals = self.flow.lock();
        let was_complete = totals.is_complete();
        totals.abandon();
        if !was_complete {
            self.shared.flow_finished(&self.cell);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tcp_echo_prober::{SessionConfig, UnsentReason};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn each_flow_of_a_target_has_its_slots_and_the_target_their_sum() {
        let config = SessionConfig::new(SECOND, SECOND).unwrap();
        let session = Session::new(&config, Instant::now());
        let target = Target::new("h:1".parse().unwrap(), config);
        let several = target.clone().with_flows(3.try_into().unwrap());
        let totals = Totals::new(2, Some(5));
        let mut flows: Vec<_> = (0..3)
            .map(|flow| totals.attach_flow(&several, flow))
            .collect();
        let mut other = totals.attach(&target.named("other"));
        let unsent = |slots| Event::Unsent {
            reason: UnsentReason::Disconnected,
            slots,
        };
        let mut finished = std::pin::pin!(totals.finished());
        let is_finished = async |finished: std::pin::Pin<&mut _>| {
            tokio::time::timeout(Duration::ZERO, finished).await.is_ok()
        };
        for flow in &mut flows {
            flow.on_event(&unsent(7), &session);
        }
        assert!(!is_finished(finished.as_mut()).await, "one target is left");
        assert_eq!(totals.slots(), 15);
        other.on_event(&unsent(4), &session);
        assert!(!is_finished(finished.as_mut()).await);
        other.on_event(&unsent(4), &session);
        assert!(is_finished(finished.as_mut()).await);

        let targets = totals.targets();
        let slots = targets.iter().map(|cell| cell.read(TargetTotals::slots));
        assert_eq!(slots.collect::<Vec<_>>(), [Some(15), Some(5)]);
    }
}
