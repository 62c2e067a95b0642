//! The recent history of every target.
//!
//! A task reads the targets' numbers every [`STEP`] and stores the differences, so it costs the
//! probing threads nothing. Memory is bounded: [`MAX_STEPS`] of 36 bytes a target, and fewer if
//! all targets together would exceed the limit.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    TargetMetrics,
    metrics::{series::Series, snapshot::Snapshot},
};

mod counts;
pub(crate) mod step;

use counts::{BucketCounts, MAX_BUCKETS};
use step::{Step, StepCounts, quantile};

/// The length of a step.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// One hour.
pub(crate) const MAX_STEPS: usize = 360;

/// 10 minutes: the length of a sparkline. Kept whatever the limit is, unless that is 0.
pub(crate) const MIN_STEPS: usize = 60;

/// p50 and p99 are measured since the older of two baselines, which are set this many steps
/// apart: over the last 2½ to 5 minutes.
const BASELINE_STEPS: u64 = 15;

/// The maximum memory of a target besides its steps, in bytes.
const TRACK_OVERHEAD: usize = 3 * MAX_BUCKETS * size_of::<u32>() + size_of::<Track>();

/// The history of all targets.
#[derive(Debug)]
pub(crate) struct History {
    metrics: TargetMetrics,
    /// The memory limit of all targets together, in bytes.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tracks: HashMap<Arc<str>, Track>,
    /// When the current step began.
    step_start: Instant,
    /// The number of the current step.
    step: u64,
    next_id: u32,
}

/// The history of one target.
#[derive(Debug)]
pub(crate) struct Track {
    /// Unique: never reused for another target.
    pub(crate) id: u32,
    series: Arc<Series>,
    /// Whether the target still exists.
    seen: bool,
    /// At the end of the last complete step.
    last: Totals,
    baselines: [BucketCounts; 2],
    steps: VecDeque<Step>,
}

#[derive(Debug, Default)]
struct Totals {
    native: BucketCounts,
    lost: u64,
    missed: u64,
    connects: u64,
    disconnects: u64,
}

/// The locked histories of all targets.
pub(crate) struct Tracks<'a>(MutexGuard<'a, State>);

impl Tracks<'_> {
    pub(crate) fn of(&self, target: &Snapshot<'_>) -> Option<&Track> {
        let track = self.0.tracks.get(target.name())?;
        Arc::ptr_eq(&track.series, target.series()).then_some(track)
    }

    /// Returns when the current step began.
    pub(crate) fn step_start(&self) -> Instant {
        self.0.step_start
    }
}

impl History {
    pub(crate) fn new(metrics: TargetMetrics, limit: usize) -> Self {
        let state = Mutex::new(State {
            tracks: HashMap::new(),
            step_start: Instant::now(),
            step: 0,
            next_id: 0,
        });
        Self {
            metrics,
            limit,
            state,
        }
    }

    pub(crate) fn metrics(&self) -> &TargetMetrics {
        &self.metrics
    }

    pub(crate) fn tracks(&self) -> Tracks<'_> {
        Tracks(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds new targets, removes those that are gone, and ends the current step if it is due.
    pub(crate) fn advance(&self, now: Instant) {
        // The lock is taken before the numbers are read, here and wherever both are read, so
        // that no numbers are older than the current step.
        let mut tracks = self.tracks();
        let state = &mut *tracks.0;
        let elapsed = now.saturating_duration_since(state.step_start);
        let steps_ended = elapsed.as_nanos() / STEP.as_nanos();
        let steps_ended = u32::try_from(steps_ended).unwrap_or(u32::MAX);
        let max = self.max_steps(self.metrics.len());
        let step = state.step;
        state
            .tracks
            .values_mut()
            .for_each(|track| track.seen = false);
        self.metrics.for_each(|target| {
            let next_id = &mut state.next_id;
            let track = state.tracks.entry(Arc::clone(&target.series().name));
            let track = track.or_insert_with(|| {
                *next_id += 1;
                Track::new(*next_id, &target)
            });
            track.reset_if_replaced(&target);
            track.seen = true;
            if steps_ended > 0 {
                track.end_step(&target, steps_ended, max);
                if (step + u64::from(steps_ended)) / BASELINE_STEPS > step / BASELINE_STEPS {
                    track.set_baseline(&target);
                }
            }
        });
        state.tracks.retain(|_, track| track.seen);
        if steps_ended > 0 {
            state.step += u64::from(steps_ended);
            state.step_start += STEP * steps_ended;
        }
    }

    /// Returns whether there is a target of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.metrics.contains(name)
    }

    /// Returns whether the current step is over.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.tracks().step_start()) >= STEP
    }

    /// Returns how many steps each of `targets` targets may keep.
    fn max_steps(&self, targets: usize) -> usize {
        if self.limit == 0 {
            return 0;
        }
        let each = self.limit / targets.max(1);
        let steps = each.saturating_sub(TRACK_OVERHEAD) / size_of::<Step>();
        steps.clamp(MIN_STEPS, MAX_STEPS)
    }

    /// Returns how long the history of each target is at most, with the present number of
    /// targets.
    pub(crate) fn retention(&self) -> Duration {
        STEP * u32::try_from(self.max_steps(self.metrics.len())).unwrap_or(0)
    }
}

impl Track {
    fn new(id: u32, target: &Snapshot<'_>) -> Self {
        Self {
            id,
            series: Arc::clone(target.series()),
            seen: true,
            last: Totals::default(),
            baselines: Default::default(),
            steps: VecDeque::new(),
        }
    }

    /// Starts from 0 again if another target was attached under the same name.
    fn reset_if_replaced(&mut self, target: &Snapshot<'_>) {
        if !Arc::ptr_eq(&self.series, target.series()) {
            self.series = Arc::clone(target.series());
            self.last = Totals::default();
            self.baselines = Default::default();
        }
    }

    fn end_step(&mut self, target: &Snapshot<'_>, steps_ended: u32, max: usize) {
        let step = self.current_step(target);
        self.last = Totals::of(target);
        if self.steps.capacity() != max {
            let excess = self.steps.len().saturating_sub(max);
            self.steps.drain(..excess);
            self.steps.shrink_to(max);
            self.steps.reserve_exact(max - self.steps.len());
        }
        // Steps during which the task did not run are empty.
        let skipped = usize::try_from(steps_ended - 1).unwrap_or(max).min(max);
        let skipped = std::iter::repeat_n(Step::default(), skipped);
        for step in skipped.chain([step]) {
            if self.steps.len() >= max {
                self.steps.pop_front();
            }
            if max > 0 {
                self.steps.push_back(step);
            }
        }
    }

    fn set_baseline(&mut self, target: &Snapshot<'_>) {
        self.baselines.swap(0, 1);
        self.baselines[1] = BucketCounts::of(target);
    }

    /// Returns the current step.
    pub(crate) fn current_step(&self, target: &Snapshot<'_>) -> Step {
        let last = &self.last;
        Step::pack(&StepCounts {
            native: &last.native.delta_to(target),
            lost: target.lost_elsewhere().saturating_sub(last.lost),
            missed: target.missed().saturating_sub(last.missed),
            connects: target.connects().saturating_sub(last.connects),
            disconnects: target.disconnects().saturating_sub(last.disconnects),
        })
    }

    /// Returns the complete steps, oldest first.
    pub(crate) fn steps(&self) -> &VecDeque<Step> {
        &self.steps
    }

    /// Returns p50 and p99 of the last minutes, in seconds.
    pub(crate) fn percentiles(&self, target: &Snapshot<'_>) -> [Option<f64>; 2] {
        let window = self.baselines[0].delta_to(target);
        [0.5, 0.99].map(|q| quantile(&window, q))
    }
}

impl Totals {
    fn of(target: &Snapshot<'_>) -> Self {
        Self {
            native: BucketCounts::of(target),
            lost: target.lost_elsewhere(),
            missed: target.missed(),
            connects: target.connects(),
            disconnects: target.disconnects(),
        }
    }
}

#[cfg(test)]
mod tests;
