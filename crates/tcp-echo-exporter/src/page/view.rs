//! All targets as the status page shows them, worst first.

use std::{
    cmp::Reverse,
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::{
    history::{History, MIN_STEPS, Tracks, step::Step, steps::Steps},
    query::TargetsQuery,
    sparkline::Sparkline,
    status::ConnectionState,
    text,
};
use crate::metrics::{layout::Cell, snapshot::Snapshot};

/// Sparklines with fewer complete steps include the current one.
const MIN_WHOLE_STEPS: usize = 6;

/// The health of a target, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// Not connected, or every outcome in the loss window is lost.
    Down,
    /// Some outcomes in the loss window are lost, not only for this host's fault.
    Lossy,
    /// This host missed some slots in the loss window; no other outcome is lost.
    Missed,
    /// The peer has said that it stops, and is not back.
    Departed,
    /// Not tried yet.
    Untried,
    Up,
}

impl Health {
    pub(crate) const ALL: [Self; 6] = [
        Self::Down,
        Self::Lossy,
        Self::Missed,
        Self::Departed,
        Self::Untried,
        Self::Up,
    ];

    pub(crate) fn of(target: &Snapshot<'_>) -> Self {
        let (lost, len) = target.window();
        let missed = target.get(Cell::Missed);
        match ConnectionState::of(target) {
            ConnectionState::Departed => Self::Departed,
            // Without other recent outcomes, nothing else is known.
            _ if missed > 0 && missed == lost => Self::Missed,
            ConnectionState::Untried => Self::Untried,
            ConnectionState::Disconnected => Self::Down,
            ConnectionState::Connected if lost == 0 => Self::Up,
            ConnectionState::Connected if lost == len => Self::Down,
            ConnectionState::Connected => Self::Lossy,
        }
    }

    /// The name of the state.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Lossy => "lossy",
            Self::Missed => "missed",
            Self::Departed => "departed",
            Self::Untried => "untried",
            Self::Up => "up",
        }
    }
}

/// All targets at one moment.
#[derive(Debug)]
pub(crate) struct View {
    /// Worst first.
    pub(crate) rows: Vec<Row>,
    pub(crate) created_at: Instant,
}

/// One target at that moment.
#[derive(Debug)]
pub(crate) struct Row {
    /// Identifies the target as long as it exists.
    pub(crate) id: u32,
    pub(crate) name: Arc<str>,
    pub(crate) address: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) health: Health,
    pub(crate) rtt: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) loss: f64,
    /// The fraction of outcomes that this host missed.
    missed: f64,
    /// The last complete steps.
    recent: Steps,
    /// The current step, if it is shown.
    current: Option<Step>,
    cells: OnceLock<Cells>,
    search_text: OnceLock<String>,
}

/// The formatted cells of a row that change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) rtt: String,
    pub(crate) p50: String,
    pub(crate) p99: String,
    pub(crate) loss: String,
    pub(crate) spark: Sparkline,
}

impl View {
    /// Takes a view of this moment.
    pub(crate) fn of(history: &History) -> Self {
        history.advance(Instant::now());
        let tracks = history.tracks();
        let mut rows = Vec::with_capacity(history.metrics().len());
        let metrics = history.metrics();
        metrics.visit(&metrics.all(), |target| {
            rows.push(Row::of(&target, &tracks));
        });
        drop(tracks);
        rows.sort_by(|one, other| one.rank().cmp(&other.rank()));
        Self {
            rows,
            created_at: Instant::now(),
        }
    }

    /// Returns the worst of the matching rows, up to the limit of the query, and how many match
    /// in all.
    pub(crate) fn select(&self, query: &TargetsQuery) -> (Vec<&Row>, usize) {
        let terms: Vec<String> = query
            .search
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.retain(|row| row.matches(&terms));
        let matched = rows.len();
        rows.truncate(query.limit());
        (rows, matched)
    }

    /// Counts the targets of each of [`Health::ALL`].
    pub(crate) fn count_by_health(&self) -> [usize; Health::ALL.len()] {
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
        // Only at first, so that there is something to see. Later it would change every
        // sparkline in every view.
        let short = track.filter(|track| track.steps().len() < MIN_WHOLE_STEPS);
        let current = short.map(|track| track.current_step(target));
        let received = target.get(Cell::Received);
        Self {
            id: track.map_or(0, |track| track.id),
            name: Arc::clone(&target.series().name),
            address: target.address().to_owned(),
            labels: target.labels().custom().to_vec(),
            health: Health::of(target),
            rtt: (received > 0).then(|| target.seconds(Cell::LastRtt)),
            p50,
            p99,
            loss: target.loss(1.0),
            missed: target.missed_ratio(),
            recent: track.map_or_else(Steps::default, |track| track.steps().tail(MIN_STEPS)),
            current,
            cells: OnceLock::new(),
            search_text: OnceLock::new(),
        }
    }

    /// The sort key. It is coarse, so that similar rows don't keep changing places.
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

    /// Returns whether every term occurs in the name, the address, a label or the state.
    fn matches(&self, terms: &[String]) -> bool {
        if terms.is_empty() {
            return true;
        }
        let search_text = self.search_text.get_or_init(|| {
            let mut search_text =
                format!("{}\n{}\n{}", self.name, self.address, self.health.as_str());
            for (name, value) in &self.labels {
                search_text.extend(["\n", name, "=", value]);
            }
            search_text.to_lowercase()
        });
        terms.iter().all(|term| search_text.contains(term))
    }

    /// Formats the cells once, for all viewers.
    pub(crate) fn cells(&self) -> &Cells {
        self.cells.get_or_init(|| Cells {
            rtt: text::duration(self.rtt),
            p50: text::duration(self.p50),
            p99: text::duration(self.p99),
            loss: text::loss(self.loss, self.missed),
            spark: {
                let steps = self.recent.last(MIN_STEPS).chain(self.current.clone());
                let recent = steps.map(|step| (step.median(), step.loss()));
                Sparkline::of(&recent.collect::<Vec<_>>())
            },
        })
    }
}

#[cfg(test)]
mod tests;
