//! The recent history of every target.
//!
//! A task reads the targets' numbers every [`STEP`] and stores the differences, so it costs the
//! probing threads nothing. Memory is bounded: at most [`MAX_STEPS`] of a target, and fewer or
//! coarser ones if all targets together would exceed the limit.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tcp_echo_prober::Direction;

use crate::{
    TargetMetrics,
    metrics::{
        layout::PARTS,
        series::Series,
        snapshot::{ExcessTotals, Snapshot},
    },
};

mod counts;
pub(crate) mod step;
pub(crate) mod steps;
pub(crate) mod ways;

use counts::{BucketCounts, MAX_BUCKETS};
use step::{Step, quantile};
use steps::{MAX_STEP_BYTES, MIN_STEP_BYTES, Room, Steps};
use ways::{Segments, Ways};

/// The length of a step.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// One hour.
pub(crate) const MAX_STEPS: usize = 360;

/// 10 minutes: the length of a sparkline. Kept whatever the limit is, unless that is 0.
pub(crate) const MIN_STEPS: usize = 60;

/// p50 and p99 are those of the last 5 minutes.
const PERCENTILE_STEPS: usize = 30;

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
    /// Sorted by name.
    tracks: Vec<Track>,
    /// When the current step began.
    step_start: Instant,
    /// The number of steps before it.
    steps_ended: u64,
    next_id: u32,
}

/// The history of one target.
#[derive(Debug)]
pub(crate) struct Track {
    /// Unique: never reused for another target.
    pub(crate) id: u32,
    series: Arc<Series>,
    /// At the end of the last complete step.
    last: Totals,
    /// At the ends of the last two steps, if the peer lets round trips be split into their parts.
    excess: Option<Box<[ExcessTotals; 2]>>,
    steps: Steps,
}

#[derive(Debug, Default)]
struct Totals {
    native: BucketCounts,
    lost: u32,
    missed: u32,
    connects: u32,
    disconnects: u32,
    /// Of each direction.
    segments: [Segments; 2],
}

/// The locked histories of all targets.
pub(crate) struct Tracks<'a>(MutexGuard<'a, State>);

impl Tracks<'_> {
    pub(crate) fn of(&self, target: &Snapshot<'_>) -> Option<&Track> {
        let tracks = &self.0.tracks;
        let found = tracks.binary_search_by(|track| track.name().cmp(target.name()));
        let track = tracks.get(found.ok()?)?;
        Arc::ptr_eq(&track.series, target.series()).then_some(track)
    }

    /// Returns when the current step began.
    pub(crate) fn step_start(&self) -> Instant {
        self.0.step_start
    }

    /// Returns the number of the current step, from the start of the history.
    pub(crate) fn step_number(&self) -> u64 {
        self.0.steps_ended
    }
}

impl History {
    pub(crate) fn new(metrics: TargetMetrics, limit: usize) -> Self {
        let state = Mutex::new(State {
            tracks: Vec::new(),
            step_start: Instant::now(),
            steps_ended: 0,
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
        let targets = self.metrics.all();
        let each = self.limit / targets.len().max(1);
        state.follow(&targets);
        let mut tracks = state.tracks.iter_mut();
        self.metrics.visit(&targets, |target| {
            let Some(track) = tracks.next() else { return };
            track.reset_if_replaced(&target);
            if steps_ended > 0 {
                track.end_step(&target, steps_ended, each);
            }
        });
        if steps_ended > 0 {
            state.step_start += STEP * steps_ended;
            state.steps_ended += u64::from(steps_ended);
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
}

impl State {
    /// Adds new targets, and removes those that are gone. Afterwards each of `targets`, which are
    /// sorted by name, has its track at the same position.
    fn follow(&mut self, targets: &[Arc<Series>]) {
        let tracks = self.tracks.iter().map(Track::name);
        if tracks.eq(targets.iter().map(|series| &*series.name)) {
            return;
        }
        let mut before = std::mem::take(&mut self.tracks).into_iter().peekable();
        let tracks = targets.iter().map(|series| {
            while before
                .next_if(|track| *track.name() < *series.name)
                .is_some()
            {}
            let kept = before.next_if(|track| *track.name() == *series.name);
            kept.unwrap_or_else(|| {
                self.next_id += 1;
                Track::new(self.next_id, series)
            })
        });
        self.tracks = tracks.collect();
    }
}

impl Track {
    fn new(id: u32, series: &Arc<Series>) -> Self {
        Self {
            id,
            series: Arc::clone(series),
            last: Totals::default(),
            excess: None,
            steps: Steps::default(),
        }
    }

    fn name(&self) -> &str {
        &self.series.name
    }

    /// Starts from 0 again if another target was attached under the same name.
    fn reset_if_replaced(&mut self, target: &Snapshot<'_>) {
        if !Arc::ptr_eq(&self.series, target.series()) {
            self.series = Arc::clone(target.series());
            self.last = Totals::default();
            self.excess = None;
        }
    }

    /// Ends the current step, and as many more as were due. The track may take `max` bytes in all.
    fn end_step(&mut self, target: &Snapshot<'_>, steps_ended: u32, max: usize) {
        let step = self.current_step(target);
        self.last = Totals::of(target);
        let excess = target.excess();
        if excess.replies > 0 {
            let [_, before] = self.excess.as_deref().copied().unwrap_or_default();
            self.excess = Some(Box::new([before, excess]));
        }
        let room = room(max, self.last.native.bytes());
        // Steps during which the task did not run are empty.
        let skipped = usize::try_from(steps_ended - 1).unwrap_or(MAX_STEPS);
        for _ in 0..skipped.min(MAX_STEPS) {
            self.steps.push(&Step::default(), room);
        }
        self.steps.push(&step, room);
    }

    /// Returns the current step.
    pub(crate) fn current_step(&self, target: &Snapshot<'_>) -> Step {
        let last = &self.last;
        let now = Totals::counts(target);
        let mut step = Step {
            counts: last.native.delta_to(target),
            received: 0,
            lost: now.lost.wrapping_sub(last.lost),
            missed: now.missed.wrapping_sub(last.missed),
            connects: now.connects.wrapping_sub(last.connects),
            disconnects: now.disconnects.wrapping_sub(last.disconnects),
            ways: self.ways(target, now.segments),
        };
        step.received = step.replies();
        step
    }

    /// Returns what is known of both ways in the current step.
    fn ways(&self, target: &Snapshot<'_>, now: [Segments; 2]) -> Ways {
        let [_, then] = self.excess.as_deref().copied().unwrap_or_default();
        let excess = target.excess();
        let split = excess.replies.wrapping_sub(then.replies);
        Ways {
            split: u32::try_from(split).unwrap_or(u32::MAX),
            excess: std::array::from_fn(|part| {
                excess.nanos[part].wrapping_sub(then.nanos[part]) / 1000
            }),
            segments: std::array::from_fn(|direction| {
                let (then, now) = (self.last.segments[direction], now[direction]);
                Segments {
                    sent: now.sent.wrapping_sub(then.sent),
                    lost: now.lost.wrapping_sub(then.lost),
                }
            }),
        }
    }

    /// Returns the complete steps.
    pub(crate) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Returns the mean excess of each of [`PARTS`] in the last complete step and the current one,
    /// in seconds; `None` without a reply whose round trip was split.
    pub(crate) fn excess(&self, target: &Snapshot<'_>) -> Option<[f64; PARTS.len()]> {
        let [then, _] = self.excess.as_deref().copied().unwrap_or_default();
        target.excess().mean_since(&then)
    }

    /// Returns p50 and p99 of the last minutes, in seconds.
    pub(crate) fn percentiles(&self, target: &Snapshot<'_>) -> [Option<f64>; 2] {
        let mut all = [0_u32; MAX_BUCKETS];
        let last = self.steps.last(PERCENTILE_STEPS);
        for step in last.chain([self.current_step(target)]) {
            for (bucket, count) in step.counts {
                if let Some(sum) = all.get_mut(usize::from(bucket)) {
                    *sum = sum.saturating_add(count);
                }
            }
        }
        let counts = (0_u8..).zip(all).filter(|(_, count)| *count > 0);
        let counts: Vec<_> = counts.collect();
        [0.5, 0.99].map(|q| quantile(&counts, q))
    }
}

/// Returns the room for the steps of a track that may take `max` bytes, with `counts` bytes for the
/// counts at the end of the last step.
fn room(max: usize, counts: usize) -> Room {
    if max == 0 {
        return Room {
            steps: 0,
            bytes: 0,
            step_bytes: 0,
        };
    }
    let bytes = max.saturating_sub(size_of::<Track>() + counts);
    let step_bytes = (bytes / MIN_STEPS).clamp(MIN_STEP_BYTES, MAX_STEP_BYTES);
    Room {
        steps: MAX_STEPS,
        bytes: bytes.clamp(MIN_STEPS * step_bytes, MAX_STEPS * step_bytes),
        step_bytes,
    }
}

impl Totals {
    fn of(target: &Snapshot<'_>) -> Self {
        Self {
            native: BucketCounts::of(target),
            ..Self::counts(target)
        }
    }

    /// Returns the totals without the histogram. They wrap, which does not affect differences.
    #[expect(clippy::cast_possible_truncation, reason = "they wrap")]
    fn counts(target: &Snapshot<'_>) -> Self {
        Self {
            native: BucketCounts::default(),
            lost: target.lost_elsewhere() as u32,
            missed: target.missed() as u32,
            connects: target.connects() as u32,
            disconnects: target.disconnects() as u32,
            segments: Direction::ALL.map(|direction| {
                let segments = target.packet_loss(direction);
                segments.map_or_else(Segments::default, |segments| Segments {
                    sent: segments.sent as u32,
                    lost: segments.lost as u32,
                })
            }),
        }
    }
}

#[cfg(test)]
mod tests;
