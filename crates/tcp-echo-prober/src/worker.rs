//! The targets of one runtime thread.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{Observer, Target, dial::Dialer, driver::Driver, timer::Timer};

/// How long a task that was told to stop is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a worker is told.
pub(crate) enum Order {
    Add(Target),
    Remove(Arc<str>),
}

/// What all workers of a prober share.
pub(crate) struct Shared<O> {
    pub(crate) observer: O,
    pub(crate) dialer: Arc<Dialer>,
    /// From where the schedules of all targets are counted.
    pub(crate) epoch: Instant,
    /// How many targets were ever begun: their phases follow from it.
    pub(crate) begun: AtomicU64,
}

/// Probes the targets that it is told to, until there is nobody left to tell it.
pub(crate) async fn work<O: Observer>(
    shared: Arc<Shared<O>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> io::Result<()> {
    let timer = Timer::new()?;
    let mut targets = Targets {
        shared,
        timer: timer.clone(),
        running: HashMap::new(),
    };
    let ended = tokio::select! {
        // It ends only by an error.
        ended = timer.run() => ended,
        () = async {
            while let Some(order) = orders.recv().await {
                match order {
                    Order::Add(target) => targets.add(target),
                    Order::Remove(name) => targets.remove(&name).await,
                }
            }
        } => Ok(()),
    };
    targets.stop().await;
    ended
}

struct Targets<O> {
    shared: Arc<Shared<O>>,
    timer: Timer,
    running: HashMap<Arc<str>, Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl<O: Observer> Targets<O> {
    fn add(&mut self, target: Target) {
        let shared = &self.shared;
        let sensor = shared.observer.attach(&target);
        let n = shared.begun.fetch_add(1, Ordering::Relaxed);
        let interval = target.session().interval();
        let first = shared.epoch + phase(n, interval);
        let origin = slot_from(first, interval, Instant::now());
        let (stop, stopped) = oneshot::channel();
        let name = target.name().clone();
        let sleeper = self.timer.sleeper();
        let driver = Driver::new(
            target,
            sensor,
            shared.dialer.clone(),
            sleeper,
            origin,
            stopped,
        );
        let task = tokio::spawn(driver);
        self.running.insert(name, Running { stop, task });
    }

    async fn remove(&mut self, name: &str) {
        if let Some(running) = self.running.remove(name) {
            running.stop().await;
        }
    }

    async fn stop(self) {
        // All are told before any is waited for.
        let told = self.running.into_values().map(|running| {
            let _ = running.stop.send(());
            running.task
        });
        for task in told.collect::<Vec<_>>() {
            finish(task).await;
        }
    }
}

impl Running {
    async fn stop(self) {
        // A task that has ended needs no telling.
        let _ = self.stop.send(());
        finish(self.task).await;
    }
}

/// Waits for a task that was told to stop; one that does not is ended.
async fn finish(mut task: JoinHandle<()>) {
    if timeout(PATIENCE, &mut task).await.is_err() {
        task.abort();
    }
}

/// The first slot at `now` or after it, of those at `first` and every interval from there: a
/// target that comes later has its slots on the grid of all, and none of them lies in the past.
fn slot_from(first: Instant, interval: Duration, now: Instant) -> Instant {
    let past = now.saturating_duration_since(first).as_nanos();
    let slots = past.div_ceil(interval.as_nanos().max(1));
    let nanos = u64::try_from(slots * interval.as_nanos()).unwrap_or(u64::MAX);
    first + Duration::from_nanos(nanos)
}

/// Where in its interval the *n*th target has its slots: the golden ratio's
/// multiples, modulo 1, lie evenly however many of them there are.
fn phase(n: u64, interval: Duration) -> Duration {
    /// The golden ratio's fractional part, as a fraction of 2⁶⁴.
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let fraction = n.wrapping_mul(GOLDEN);
    let nanos = (interval.as_nanos() * u128::from(fraction)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_spread() {
        let interval = Duration::from_millis(100);
        assert_eq!(phase(0, interval), Duration::ZERO);
        for targets in [2_u64, 10, 100, 1000] {
            let mut phases: Vec<_> = (0..targets).map(|n| phase(n, interval)).collect();
            phases.sort();
            let gap = phases.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
            let even = interval / u32::try_from(targets).unwrap();
            assert!(gap.max() < Some(2 * even), "{targets} targets");
            assert!(phases[phases.len() - 1] < interval);
        }
    }

    #[test]
    fn a_schedule_begins_at_the_next_slot_of_the_grid() {
        let first = Instant::now();
        let us = Duration::from_micros;
        let origin = |after: Duration| slot_from(first, us(700), first + after) - first;
        assert_eq!(origin(us(0)), us(0));
        assert_eq!(origin(us(1)), us(700));
        assert_eq!(origin(us(700)), us(700));
        assert_eq!(origin(us(7_000_001)), us(7_000_700));
        assert_eq!(slot_from(first + us(5), us(700), first), first + us(5));
    }
}
