//! The data of a plot.

use std::time::{Instant, SystemTime};

use tcp_echo_prober::Direction;

use crate::page::{
    history::{History, MAX_STEPS, STEP, step::Step, ways::Ways},
    query::Range,
};

/// The shortest time axis, in seconds: no step is wider than a third of it.
const MIN_SPAN: f64 = 30.0;

/// The most steps of a plot. Those of a longer history are joined, so that each can be pointed at
/// on a phone.
const MAX_DRAWN: usize = 120;

/// A step and its time, in seconds relative to now: neither is positive.
#[derive(Clone, Debug)]
pub(crate) struct TimedStep {
    pub(crate) begin: f64,
    pub(crate) end: f64,
    pub(crate) step: Step,
}

/// All that is recorded of a target.
#[derive(Debug)]
pub(crate) struct Record {
    pub(super) name: String,
    /// Oldest first; the last one is the current step.
    pub(crate) steps: Vec<TimedStep>,
    /// The number of the current step, from the start of the history.
    pub(super) current: u64,
    /// When the steps were read.
    pub(crate) now: SystemTime,
    /// Whether the kernel tells the segments of the way there.
    pub(super) counts_forward: bool,
    /// Whether the peer answers the hello.
    pub(crate) answers_hello: bool,
}

/// What is known of both ways.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    pub(crate) forward: bool,
    pub(crate) reverse: bool,
    /// Whether round trips were split into their parts.
    pub(crate) parts: bool,
}

impl Record {
    /// Reads what is recorded of the target of this name.
    pub(crate) fn find(history: &History, name: &str) -> Option<Self> {
        history.advance(Instant::now());
        let tracks = history.tracks();
        let found = history.metrics().snapshot_of(name, true)?;
        let target = found.iter().next()?;
        let track = tracks.of(&target);
        let current = track.map(|track| track.current_step(&target));
        let mut steps: Vec<Step> =
            track.map_or_else(Vec::new, |track| track.steps().last(MAX_STEPS).collect());
        steps.extend(current);
        let age = Instant::now().saturating_duration_since(tracks.step_start());
        Some(Self {
            name: name.to_owned(),
            steps: timed(steps, age.min(STEP).as_secs_f64()),
            current: tracks.step_number(),
            now: SystemTime::now(),
            counts_forward: target.packet_loss(Direction::Forward).is_some(),
            answers_hello: target.answers_hello(),
        })
    }
}

/// Returns steps with their times. The last one is the current step, and began `age` seconds ago.
pub(super) fn timed(steps: Vec<Step>, age: f64) -> Vec<TimedStep> {
    let last = steps.len().saturating_sub(1);
    let timed = steps.into_iter().enumerate().map(|(index, step)| {
        let after = (last - index) as f64;
        let begin = -age - after * STEP.as_secs_f64();
        let end = (begin + STEP.as_secs_f64()).min(0.0);
        TimedStep { begin, end, step }
    });
    timed.collect()
}

/// The data of a plot.
#[derive(Debug)]
pub(crate) struct PlotData {
    pub(crate) name: String,
    /// Oldest first; the last one is not over. The first one may begin before the plot.
    pub(crate) steps: Vec<TimedStep>,
    /// The length of the time axis, in seconds: the whole range, or what there is of it.
    pub(crate) span: f64,
    pub(crate) now: SystemTime,
    pub(crate) known: Known,
}

impl PlotData {
    /// Selects what is in the range. Joins steps if there are too many.
    pub(crate) fn new(record: &Record, range: Range) -> Self {
        let step = STEP.as_secs_f64();
        let range = range.length().as_secs_f64();
        let begin = record.steps.first().map_or(0.0, |first| first.begin);
        // Whole steps, so that the scale does not change all the time.
        let span = ((-begin / step).ceil() * step).clamp(MIN_SPAN, range);
        let shown = record.steps.iter().filter(|step| step.end > -span);
        let shown: Vec<_> = shown.collect();
        let joined = (shown.len().saturating_sub(1)).div_ceil(MAX_DRAWN).max(1);
        let first = record
            .current
            .saturating_sub((shown.len() as u64).saturating_sub(1));
        let mut steps: Vec<TimedStep> = Vec::new();
        for (number, next) in (first..).zip(shown) {
            // The same steps are joined in each plot, however much time has passed.
            match steps.last_mut() {
                Some(last) if number % joined as u64 != 0 => {
                    last.step.add(&next.step);
                    last.end = next.end;
                }
                _ => steps.push(next.clone()),
            }
        }
        let any = |is: fn(&Ways) -> bool| steps.iter().any(|step| is(&step.step.ways));
        let known = Known {
            forward: record.counts_forward,
            reverse: any(|ways| ways.of(Direction::Reverse).sent > 0),
            parts: any(|ways| ways.split > 0),
        };
        Self {
            name: record.name.clone(),
            known,
            steps,
            span,
            now: record.now,
        }
    }

    /// Returns the length of a step, in seconds.
    pub(crate) fn step_seconds(&self) -> f64 {
        let lengths = self.steps.iter().map(|step| step.end - step.begin);
        lengths.fold(STEP.as_secs_f64(), f64::max).round()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.step.quantile(1).is_none())
    }
}
