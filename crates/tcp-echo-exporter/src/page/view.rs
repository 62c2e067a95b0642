//! All targets as the status page shows them: the worst first.

use std::{
    cmp::Reverse,
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::{
    history::{
        FEWEST_STEPS, History, Tracks,
        step::{Rtt, Step},
    },
    query::Choice,
    status::State,
    text::{self, Spark},
};
use crate::metrics::{layout::Cell, snapshot::Snapshot};

/// Sparklines of fewer steps show the one under way as well.
const YOUNG: usize = 6;

/// How it stands with a target, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// Not connected, or nothing in the loss window came back.
    Down,
    /// Some of the loss window is lost, and not for this host alone.
    Lossy,
    /// This host missed some of the loss window; nothing else is lost of it.
    Missed,
    /// Not tried yet.
    Untried,
    Up,
}

impl Health {
    pub(crate) const ALL: [Self; 5] = [
        Self::Down,
        Self::Lossy,
        Self::Missed,
        Self::Untried,
        Self::Up,
    ];

    pub(crate) fn of(target: &Snapshot<'_>) -> Self {
        let (lost, len) = target.window();
        let missed = target.get(Cell::Missed);
        match State::of(target) {
            // Where nothing else was seen of late, nothing else can be said.
            _ if missed > 0 && missed == lost => Self::Missed,
            State::Untried => Self::Untried,
            State::Disconnected => Self::Down,
            State::Connected if lost == 0 => Self::Up,
            State::Connected if lost == len => Self::Down,
            State::Connected => Self::Lossy,
        }
    }

    /// The word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Lossy => "lossy",
            Self::Missed => "missed",
            Self::Untried => "untried",
            Self::Up => "up",
        }
    }
}

/// All targets at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// The worst first.
    pub(crate) rows: Vec<Row>,
    pub(crate) made: Instant,
}

/// One target at that moment.
#[derive(Debug)]
pub(crate) struct Row {
    /// Of the target, as long as it lasts.
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) address: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) health: Health,
    pub(crate) rtt: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) loss: f64,
    /// The part of the loss that is this host's.
    missed: f64,
    /// Medians and loss of the last steps, the last first.
    recent: Vec<(Rtt, Option<f64>)>,
    texts: OnceLock<Texts>,
    hay: OnceLock<String>,
}

/// A row's changing cells as they are read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) rtt: String,
    pub(crate) p50: String,
    pub(crate) p99: String,
    pub(crate) loss: String,
    pub(crate) spark: Spark,
}

impl View {
    /// As it is now.
    pub(crate) fn of(history: &History) -> Self {
        history.advance(Instant::now());
        let tracks = history.tracks();
        let mut rows = Vec::with_capacity(history.metrics().len());
        history
            .metrics()
            .each(|target| rows.push(Row::of(&target, &tracks)));
        drop(tracks);
        rows.sort_by(|one, other| one.rank().cmp(&other.rank()));
        Self {
            rows,
            made: Instant::now(),
        }
    }

    /// The worst of the rows that match, at most as many as asked for, and how many
    /// match in all.
    pub(crate) fn choose(&self, choice: &Choice) -> (Vec<&Row>, usize) {
        let needles: Vec<String> = choice
            .search
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.retain(|row| row.matches(&needles));
        let matched = rows.len();
        rows.truncate(choice.limit());
        (rows, matched)
    }

    /// How many targets there are of each of [`Health::ALL`].
    pub(crate) fn tally(&self) -> [usize; Health::ALL.len()] {
        Health::ALL.map(|health| {
            let rows = self.rows.iter();
            rows.filter(|row| row.health == health).count()
        })
    }
}

impl Row {
    fn of(target: &Snapshot<'_>, tracks: &Tracks<'_>) -> Self {
        let track = tracks.of(target);
        let [p50, p99] = track.map_or([None; 2], |track| track.percentiles(target));
        // At first, so that there is something to see; later it would change every
        // sparkline with every view.
        let young = track.filter(|track| track.steps().len() < YOUNG);
        let running = young.map(|track| track.running(target));
        let steps = track.map(|track| track.steps().iter().rev());
        let steps = running.iter().chain(steps.into_iter().flatten());
        let received = target.get(Cell::Received);
        Self {
            id: track.map_or(0, |track| track.id),
            name: Arc::clone(&target.series().name),
            address: target.address().to_owned(),
            labels: target.labels().own().to_vec(),
            health: Health::of(target),
            rtt: (received > 0).then(|| target.seconds(Cell::LastRtt)),
            p50,
            p99,
            loss: target.loss(1.0),
            missed: target.missed_ratio(),
            recent: steps
                .take(FEWEST_STEPS)
                .map(|step: &Step| (step.median(), step.loss()))
                .collect(),
            texts: OnceLock::new(),
            hay: OnceLock::new(),
        }
    }

    /// What the order goes by: coarse steps, so that rows that are much the same
    /// don't change places all the time.
    fn rank(&self) -> (Health, Reverse<u32>, Reverse<i32>, &str) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative; a logarithm is small"
        )]
        let (loss, octave) = (
            (self.loss * 20.0).ceil() as u32,
            self.p99.map_or(i32::MIN, |p99| p99.log2().floor() as i32),
        );
        (self.health, Reverse(loss), Reverse(octave), &self.name)
    }

    /// Whether each of the words is in the name, the address, a label or the state.
    fn matches(&self, needles: &[String]) -> bool {
        if needles.is_empty() {
            return true;
        }
        let hay = self.hay.get_or_init(|| {
            let mut hay = format!("{}\n{}\n{}", self.name, self.address, self.health.as_str());
            for (name, value) in &self.labels {
                hay.extend(["\n", name, "=", value]);
            }
            hay.to_lowercase()
        });
        needles.iter().all(|needle| hay.contains(needle))
    }

    /// Made once, however many look.
    pub(crate) fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts {
            rtt: text::duration(self.rtt),
            p50: text::duration(self.p50),
            p99: text::duration(self.p99),
            loss: text::loss(self.loss, self.missed),
            spark: Spark::of(&self.recent),
        })
    }
}

#[cfg(test)]
mod tests;
