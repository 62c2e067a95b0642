//! Which way is slow or loses packets, and since when, in a sentence.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use tcp_echo_prober::Direction;

use super::{
    history::{
        step::quantile,
        ways::{Segments, Ways},
    },
    plot::{Record, TimedStep},
    text,
};
use crate::metrics::layout::PARTS;

/// How many steps a slow part needs, and how many others end it.
const SLOW_STEPS: u32 = 2;

/// The least excess of a slow part: this, in seconds, and this fraction of the minimum RTT.
const LEAST_EXCESS: f64 = 0.001;
const LEAST_FRACTION: f64 = 0.2;

/// The least number of lost packets, without a pause of [`PAUSE`].
const LEAST_LOST: u32 = 2;

/// A minute, in seconds: without loss for this long, a direction no longer loses packets, and what
/// is older says nothing of now.
const PAUSE: f64 = 60.0;

/// What is wrong on the way of each of [`PARTS`].
const SLOW: [&str; PARTS.len()] = [
    "Late on this host",
    "Slow on the way there",
    "Late on the peer's host",
    "Slow on the way back",
];

/// The parts that are slow where a [`Direction`] loses packets: the way on which they are sent again,
/// and the host at its end, whose kernel holds back what arrives meanwhile.
const SLOWED: [[usize; 2]; 2] = [[1, 2], [3, 0]];

const CLEAR: &str = "Both ways are clear.";
const ONLY_ECHOES: &str = "The peer does not answer the hello, \
    so delay and the loss of the way back are not known by direction.";

/// What the history of a target says of both ways.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// What is wrong: at least one of these.
    Wrong(Vec<Finding>),
    /// Nothing is wrong either way.
    Clear,
    /// The peer only echoes, and no loss of the way there is known.
    OnlyEchoes,
    /// Too little is known.
    Unknown,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    what: String,
    /// In seconds relative to now.
    since: f64,
    /// How much.
    amount: String,
}

impl Verdict {
    pub(super) fn of(record: &Record) -> Self {
        Self::of_steps(&record.steps, record.answers_hello)
    }

    fn of_steps(steps: &[TimedStep], answers_hello: bool) -> Self {
        let recent = sum(steps.iter().filter(|at| at.end > -PAUSE));
        let losses = Direction::ALL.map(|direction| loss(steps, direction));
        let slowed = SLOWED.iter().zip(&losses);
        let slowed = slowed.filter(|(_, loss)| loss.is_some());
        let slowed: Vec<usize> = slowed.flat_map(|(parts, _)| *parts).collect();
        let slow = slow(steps).filter(|(part, _)| recent.split > 0 && !slowed.contains(part));
        let slow = slow.map(|(_, finding)| finding);
        let wrong: Vec<_> = losses.into_iter().flatten().chain(slow).collect();
        let has_lost = recent.segments.iter().any(|segments| segments.lost > 0);
        let is_told = recent.split > 0 && recent.of(Direction::Reverse).sent > 0;
        let has_replies = steps
            .iter()
            .any(|at| at.end > -PAUSE && at.step.received > 0);
        if !wrong.is_empty() {
            Self::Wrong(wrong)
        } else if !has_replies {
            Self::Unknown
        } else if !answers_hello {
            Self::OnlyEchoes
        } else if is_told && !has_lost {
            Self::Clear
        } else {
            Self::Unknown
        }
    }

    /// Returns the sentence. The script shows its times as those of the browser's clock.
    pub(super) fn sentence(&self, now: SystemTime) -> Markup {
        html! {
            p.verdict {
                @match self {
                    Self::Wrong(findings) => {
                        @for (index, finding) in findings.iter().enumerate() {
                            @if index > 0 { " " }
                            b { (finding.what) } " since " (clock(now, finding.since)) ": "
                            (finding.amount) "."
                        }
                    }
                    Self::Clear => (CLEAR),
                    Self::OnlyEchoes => (ONLY_ECHOES),
                    Self::Unknown => {}
                }
            }
        }
    }
}

/// Returns a time of day, of seconds relative to now.
fn clock(now: SystemTime, seconds: f64) -> Markup {
    let ago = Duration::try_from_secs_f64(-seconds).unwrap_or_default();
    let at = now.checked_sub(ago).unwrap_or(now);
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let minutes = at.as_secs() / 60;
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    html! { span.clock data-at=(at.as_millis()) { (format!("{hour:02}:{minute:02} UTC")) } }
}

/// A part that dominates the excess.
struct SlowRun {
    since: f64,
    ways: Ways,
    /// The number of steps in which the part is slow.
    slow: u32,
    /// The number of last steps in which it is not.
    others: u32,
}

/// Returns the part that dominates the excess now.
fn slow(steps: &[TimedStep]) -> Option<(usize, Finding)> {
    let limit = LEAST_EXCESS.max(LEAST_FRACTION * min_rtt(steps).unwrap_or(0.0));
    let runs = (0..PARTS.len()).filter_map(|part| Some((part, slow_run(steps, part, limit)?)));
    // The one of the last steps, if another part has just taken over.
    let (part, run) = runs.min_by_key(|(_, run)| run.others)?;
    let mean = run.ways.mean_excess()?[part];
    let finding = Finding {
        what: SLOW[part].to_owned(),
        since: run.since,
        amount: format!("{} above its minimum", text::duration(Some(mean))),
    };
    Some((part, finding))
}

/// Returns since when a part is slow. It begins above the limit, with more than half of the whole
/// excess, and ends below half the limit, or where another part has more than half.
fn slow_run(steps: &[TimedStep], part: usize, limit: f64) -> Option<SlowRun> {
    let mut run: Option<SlowRun> = None;
    for at in steps {
        let Some(excess) = at.step.ways.mean_excess() else {
            continue;
        };
        let half = excess.iter().sum::<f64>() / 2.0;
        let leading = excess
            .iter()
            .position(|mean| *mean >= limit && *mean > half);
        let leads = leading == Some(part);
        let stays = leads || leading.is_none() && excess[part] >= limit / 2.0;
        if let Some(run) = &mut run {
            run.ways.add(&at.step.ways);
            run.slow += u32::from(stays);
            run.others = if stays { 0 } else { run.others + 1 };
        } else if leads {
            run = Some(SlowRun {
                since: at.begin,
                ways: at.step.ways,
                slow: 1,
                others: 0,
            });
        }
        run =
            run.filter(|run| run.others == 0 || run.slow >= SLOW_STEPS && run.others < SLOW_STEPS);
    }
    run.filter(|run| run.slow >= SLOW_STEPS)
}

/// Returns the packet loss of a direction that has gone on until now.
fn loss(steps: &[TimedStep], direction: Direction) -> Option<Finding> {
    struct Run {
        since: f64,
        last: f64,
        segments: Segments,
    }
    let mut run: Option<Run> = None;
    for at in steps {
        let Segments { sent, lost } = at.step.ways.of(direction);
        run = run.filter(|run| at.begin - run.last < PAUSE);
        if lost > 0 {
            let run = run.get_or_insert(Run {
                since: at.begin,
                last: at.end,
                segments: Segments::default(),
            });
            run.last = at.end;
        }
        if let Some(run) = &mut run {
            run.segments.sent = run.segments.sent.saturating_add(sent);
            run.segments.lost = run.segments.lost.saturating_add(lost);
        }
    }
    let run = run.filter(|run| run.segments.lost >= LEAST_LOST && -run.last < PAUSE)?;
    let way = match direction {
        Direction::Forward => "there",
        Direction::Reverse => "back",
    };
    Some(Finding {
        what: format!("Packets are lost on the way {way}"),
        since: run.since,
        amount: text::percent(run.segments.loss()?),
    })
}

fn sum<'a>(steps: impl Iterator<Item = &'a TimedStep>) -> Ways {
    steps.fold(Ways::default(), |mut sum, at| {
        sum.add(&at.step.ways);
        sum
    })
}

/// Returns the smallest RTT in seconds.
fn min_rtt(steps: &[TimedStep]) -> Option<f64> {
    let smallest = steps.iter();
    let smallest = smallest.filter_map(|at| quantile(&at.step.counts, 0.0));
    smallest.reduce(f64::min)
}

#[cfg(test)]
mod tests;
