//! The targets of one runtime thread.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::{Id, JoinError, JoinSet, yield_now},
    time::timeout,
};

use crate::{
    Observer, ProberError, Target,
    commands::{Command, Commands},
    dial::Dialer,
    error::message,
    task::{Start, Task},
    timer::{Density, Timer},
};

/// How long the worker waits for all tasks at the end.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// How many targets are started or stopped at least before other tasks of the thread run.
/// It takes less than a millisecond.
const MIN_BATCH: usize = 32;

/// The cost of starting or stopping a target, about 15 µs. A batch takes about as long as the
/// other tasks took before it, so that an overloaded thread still follows its commands.
const COST_PER_TARGET: Duration = Duration::from_micros(15);

/// Shared by all workers of a prober.
pub(crate) struct Shared<O> {
    pub(crate) observer: O,
    pub(crate) dialer: Arc<Dialer>,
    /// The origin of the schedules of all targets.
    pub(crate) epoch: Instant,
    /// How many targets were ever started: it determines their phases.
    pub(crate) started: AtomicU64,
}

/// Probes the targets that its commands name, until these are closed.
pub(crate) async fn work<O: Observer>(
    shared: Arc<Shared<O>>,
    timer: Timer,
    commands: Arc<Commands>,
) -> Result<(), ProberError> {
    let mut targets = Targets {
        shared,
        timer: timer.clone(),
        density: Density::default(),
        running: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let ended = tokio::select! {
        // It ends only by an error.
        ended = timer.run() => ended.map_err(ProberError::timer),
        ended = targets.follow(&commands) => ended,
    };
    ended.and(targets.stop().await)
}

struct Targets<O> {
    shared: Arc<Shared<O>>,
    timer: Timer,
    density: Density,
    /// Targets whose task has not ended, stopped ones included.
    running: HashMap<Arc<str>, Running>,
    /// Each returns the name of its target.
    tasks: JoinSet<Arc<str>>,
}

struct Running {
    first: FlowTask,
    /// Of the other flows.
    others: Box<[FlowTask]>,
    /// How many flows have not ended.
    left: u16,
    interval: Duration,
    /// The next target of the name. It starts when this one has ended, so that its sensor is
    /// attached after this one's was dropped.
    next: Option<Target>,
}

/// The task of one flow.
struct FlowTask {
    task: Id,
    /// `None` once it was stopped.
    stop: Option<oneshot::Sender<()>>,
}

impl<O: Observer> Targets<O> {
    /// Follows the commands until they are closed or a task has panicked.
    async fn follow(&mut self, commands: &Commands) -> Result<(), ProberError> {
        let mut batch = MIN_BATCH;
        loop {
            let mut done = 0;
            while done < batch
                && let Some(ended) = self.tasks.try_join_next_with_id()
            {
                self.ended(ended)?;
                done += 1;
            }
            let Some(taken) = commands.take(batch - done) else {
                return Ok(());
            };
            done += taken.len();
            for command in taken {
                self.set(command);
            }
            if done > 0 {
                let yielded = Instant::now();
                yield_now().await;
                let others = yielded.elapsed().as_nanos() / COST_PER_TARGET.as_nanos();
                batch = usize::try_from(others).map_or(batch, |n| n.max(MIN_BATCH));
            } else {
                tokio::select! {
                    () = commands.changed() => {}
                    Some(ended) = self.tasks.join_next_with_id() => self.ended(ended)?,
                }
            }
        }
    }

    fn set(&mut self, (name, target): Command) {
        match (self.running.get_mut(&name), target) {
            (Some(running), next) => {
                running.stop();
                running.next = next;
            }
            (None, Some(target)) => self.start(&target),
            (None, None) => {}
        }
    }

    fn start(&mut self, target: &Target) {
        let name = target.name().clone();
        let interval = target.session().interval();
        let flows = target.flows().get();
        let first = self.start_flow(target, 0);
        let others = (1..flows).map(|flow| self.start_flow(target, flow));
        let running = Running {
            others: others.collect(),
            first,
            left: flows,
            interval,
            next: None,
        };
        self.running.insert(name, running);
        for _ in 0..flows {
            self.density.add(interval);
        }
        self.timer.fit(&self.density);
    }

    fn start_flow(&mut self, target: &Target, flow: u16) -> FlowTask {
        let n = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let first = self.shared.epoch + phase(n, target.session().interval());
        let (stop, stopped) = oneshot::channel();
        let task = self.tasks.spawn(Task::Starting(Some(Start {
            shared: self.shared.clone(),
            target: target.clone(),
            flow,
            sleeper: self.timer.sleeper(),
            first,
            stop: stopped,
        })));
        FlowTask {
            task: task.id(),
            stop: Some(stop),
        }
    }

    /// A task has ended: the next target of its name starts.
    fn ended(&mut self, ended: Result<(Id, Arc<str>), JoinError>) -> Result<(), ProberError> {
        let error = match ended {
            Ok((_, name)) => {
                let Some(running) = self.running.get_mut(&name) else {
                    return Ok(());
                };
                self.density.remove(running.interval);
                running.left = running.left.saturating_sub(1);
                if running.left > 0 {
                    return Ok(());
                }
                let Some(ended) = self.running.remove(&name) else {
                    return Ok(());
                };
                self.timer.fit(&self.density);
                if let Some(next) = ended.next {
                    self.start(&next);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let mut all = self.running.iter();
        let of = all.find(|(_, running)| running.flows().any(|flow| flow.task == error.id()));
        let target = of.map_or_else(|| "".into(), |(name, _)| name.clone());
        match error.try_into_panic() {
            Ok(payload) => Err(ProberError::Observer {
                target,
                message: message(&*payload),
            }),
            // It was aborted after the timeout.
            Err(_) => Ok(()),
        }
    }

    /// Stops all tasks, then waits for all.
    async fn stop(mut self) -> Result<(), ProberError> {
        for running in self.running.values_mut() {
            running.stop();
            running.next = None;
        }
        let mut outcome = Ok(());
        let ended = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                if let Err(error) = self.ended(ended) {
                    outcome = Err(error);
                }
            }
        };
        if timeout(STOP_TIMEOUT, ended).await.is_err() {
            self.tasks.abort_all();
        }
        outcome
    }
}

impl Running {
    fn flows(&self) -> impl Iterator<Item = &FlowTask> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn stop(&mut self) {
        for flow in std::iter::once(&mut self.first).chain(&mut self.others) {
            if let Some(stop) = flow.stop.take() {
                // The task may have ended.
                let _ = stop.send(());
            }
        }
    }
}

/// The first slot at or after `now` on the grid that starts at `first`. Targets that are added
/// later share the grid, and have no slots in the past.
pub(crate) fn slot_from(first: Instant, interval: Duration, now: Instant) -> Instant {
    let past = now.saturating_duration_since(first).as_nanos();
    let slots = past.div_ceil(interval.as_nanos().max(1));
    let nanos = u64::try_from(slots * interval.as_nanos()).unwrap_or(u64::MAX);
    first + Duration::from_nanos(nanos)
}

/// The phase of the *n*th target in its interval. Multiples of the golden ratio modulo 1 are
/// evenly spread, however many there are.
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
