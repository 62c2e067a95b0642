//! The data of a plot.

use std::time::{Duration, Instant};

use crate::page::history::{History, MAX_STEPS, STEP, step::Step};

/// The data of a plot.
#[derive(Debug)]
pub(crate) struct PlotData {
    pub(crate) name: String,
    /// Oldest first; the last one is the current step.
    pub(crate) steps: Vec<Step>,
    /// How much of the current step has passed.
    pub(crate) current_age: Duration,
    /// The time span of the plot, in minutes.
    pub(crate) minutes: f64,
}

impl PlotData {
    /// Collects the data of the target of this name.
    pub(crate) fn find(history: &History, name: &str) -> Option<Self> {
        history.advance(Instant::now());
        let tracks = history.tracks();
        let found = history.metrics().snapshot_of(name, true)?;
        let target = found.iter().next()?;
        let track = tracks.of(&target);
        let mut steps: Vec<Step> =
            track.map_or_else(Vec::new, |track| track.steps().last(MAX_STEPS).collect());
        steps.extend(track.map(|track| track.current_step(&target)));
        let longest = history.retention();
        let length = STEP * u32::try_from(steps.len()).unwrap_or(u32::MAX);
        // Rounded up to tens of minutes, so that a short history is not a sliver.
        let minutes = (length.as_secs_f64() / 600.0).ceil() * 10.0;
        Some(Self {
            name: name.to_owned(),
            steps,
            current_age: Instant::now()
                .saturating_duration_since(tracks.step_start())
                .min(STEP),
            minutes: minutes.clamp(10.0, (longest.as_secs_f64() / 60.0).max(10.0)),
        })
    }

    /// Returns when a step began and ended, in minutes relative to now.
    pub(crate) fn when(&self, index: usize) -> (f64, f64) {
        let after = self.steps.len() - 1 - index;
        let minutes = |time: Duration| -time.as_secs_f64() / 60.0;
        let begin = self.current_age + STEP * u32::try_from(after).unwrap_or(u32::MAX);
        let end = begin.saturating_sub(if after == 0 { self.current_age } else { STEP });
        (minutes(begin), minutes(end))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.quantile(1).is_none())
    }
}
