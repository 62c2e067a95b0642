//! The report as data. `docs/report.md` documents its JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tcp_echo_prober::{ConnectFailure, Direction, DisconnectReason, SegmentCounts, UnsentReason};

use super::excess::{Figures, Part};
use super::fault;
use super::histogram::{self, Bucket};
use super::target_totals::TargetTotals;
use super::totals::{Cell, Totals};
use crate::config::Percent;

/// The name and version of the schema.
const SCHEMA: &str = "tcp-echo-metrics/report/v1";

/// The maximum of rows of a histogram for people, unless values are too far apart.
const ROWS: usize = 12;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All slots have an outcome.
    Count,
    /// Its time is over.
    Duration,
    /// A signal or a service manager ended it.
    Signal,
    /// The user left the live view.
    Quit,
    /// The reader of the lines has gone.
    Closed,
}

/// Why a run probed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NothingProbed {
    /// There are no targets: an empty list or shard, or names that did not resolve.
    NoTargets,
    /// No probe could be sent to any of them.
    NothingSent,
}

impl fmt::Display for NothingProbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTargets => "nothing was probed: there are no targets",
            Self::NothingSent => "nothing was probed: no probe could be sent",
        })
    }
}

/// The run of a report.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The version of the program.
    pub version: &'static str,
    /// The start of the run, since the Unix epoch.
    pub start_time: Duration,
    /// The duration of the run.
    pub duration: Duration,
    /// Why it ended.
    pub ended: Ended,
    /// The maximum of loss that passes.
    pub max_loss: Percent,
}

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    version: &'static str,
    start_time_seconds: f64,
    duration_seconds: f64,
    ended_by: Ended,
    max_loss_percent: f64,
    within_max_loss: Option<bool>,
    nothing_probed: Option<NothingProbed>,
    pub(super) targets: Vec<TargetReport>,
}

/// The results of one target.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    pub(super) name: String,
    pub(super) address: String,
    labels: BTreeMap<String, String>,
    peer: Option<String>,
    interval_seconds: f64,
    timeout_seconds: f64,
    pub(super) slots: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) timeouts: u64,
    pub(super) unsent: u64,
    unsent_by_reason: BTreeMap<&'static str, u64>,
    pub(super) missed: u64,
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) unexpected: u64,
    in_flight: u64,
    pub(super) loss_percent: f64,
    within_max_loss: Option<bool>,
    pub(super) connects: u64,
    connect_failures_by_reason: BTreeMap<&'static str, u64>,
    disconnects_by_reason: BTreeMap<&'static str, u64>,
    retransmits: Option<u64>,
    packet_loss: PacketLossReport,
    most_packet_loss: Option<&'static str>,
    pub(super) soft_errors: u64,
    excess_delay_seconds: Option<ExcessReport>,
    most_excess_delay: Option<Part>,
    rtt_seconds: Option<RttReport>,
    jitter_seconds: Option<f64>,
    host_delay_p50_seconds: Option<f64>,
    rtt_histogram: Vec<BucketReport>,
    /// Figures for the table.
    #[serde(skip)]
    pub(super) shown: Shown,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct RttReport {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

/// Segments of each direction, as far as they are known.
#[derive(Clone, Copy, Debug, Serialize)]
struct PacketLossReport {
    forward: Option<SegmentsReport>,
    reverse: Option<SegmentsReport>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct SegmentsReport {
    segments_sent: u64,
    segments_lost: u64,
    ratio: f64,
}

/// The delay above its minimum, by part of the round trip.
#[derive(Clone, Copy, Debug, Serialize)]
struct ExcessReport {
    prober: DelayReport,
    forward: DelayReport,
    peer: DelayReport,
    reverse: DelayReport,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct DelayReport {
    mean: f64,
    p99: f64,
    max: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct BucketReport {
    lower_seconds: f64,
    upper_seconds: f64,
    count: u64,
}

/// Figures of a target as durations, for the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// min, mean, p50, p90, p99, p99.9 and max, if anything was received.
    pub(super) rtts: Option<[Duration; 7]>,
    pub(super) jitter: Option<Duration>,
    pub(super) host_delay: Option<Duration>,
    pub(super) retransmits: Option<u64>,
    /// Forward and reverse.
    pub(super) segments: [Option<SegmentCounts>; Direction::ALL.len()],
    pub(super) most_packet_loss: Option<Direction>,
    pub(super) excess: Option<[Figures; Part::ALL.len()]>,
    pub(super) most_excess_delay: Option<Part>,
    pub(super) histogram: Vec<Bucket>,
}

impl Report {
    /// The report of these totals.
    pub fn new(run: Run, totals: &Totals) -> Self {
        let targets = totals.targets();
        let targets: Vec<_> = targets
            .iter()
            .filter_map(|cell| cell.read(|totals| TargetReport::new(cell, totals, run.max_loss)))
            .collect();
        let nothing_probed = match targets.as_slice() {
            [] => Some(NothingProbed::NoTargets),
            targets if targets.iter().all(|target| target.sent == 0) => {
                Some(NothingProbed::NothingSent)
            }
            _ => None,
        };
        Self {
            schema: SCHEMA,
            version: run.version,
            start_time_seconds: run.start_time.as_secs_f64(),
            duration_seconds: run.duration.as_secs_f64(),
            ended_by: run.ended,
            max_loss_percent: run.max_loss.get(),
            within_max_loss: all_within(&targets),
            nothing_probed,
            targets,
        }
    }

    /// Adds labels to each target that has none of that name.
    #[must_use]
    pub fn with_labels(mut self, labels: &BTreeMap<String, String>) -> Self {
        for target in &mut self.targets {
            for (name, value) in labels {
                let label = target.labels.entry(name.clone());
                label.or_insert_with(|| value.clone());
            }
        }
        self
    }

    /// Whether every target has replied and none exceeded the maximum of loss; `None` if that is
    /// unknown, since there are no targets or no slot of one of them has an outcome.
    pub fn within_max_loss(&self) -> Option<bool> {
        self.within_max_loss
    }

    /// Why nothing was probed, if nothing was.
    pub(crate) fn nothing_probed(&self) -> Option<NothingProbed> {
        self.nothing_probed
    }

    /// The report as one line of JSON, with control characters escaped.
    ///
    /// # Errors
    /// None are known; the serializer has them in its signature.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(tcp_echo_log::escape_json(&serde_json::to_string(self)?))
    }
}

fn all_within(targets: &[TargetReport]) -> Option<bool> {
    let mut within = targets.iter().map(|target| target.within_max_loss);
    let first = within.next()?;
    // A target that exceeds it decides, even if others are unknown.
    within.fold(first, |all, one| match (all, one) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (None, _) | (_, None) => None,
        (Some(true), Some(true)) => Some(true),
    })
}

impl TargetReport {
    fn new(cell: &Cell, totals: &TargetTotals, max_loss: Percent) -> Self {
        let (target, session) = (&cell.target, cell.target.session());
        let rtts = &totals.rtts;
        let quantiles = [0.5, 0.9, 0.99, 0.999].map(|ratio| rtts.quantile(ratio));
        let [p50, p90, p99, p99_9] = quantiles;
        let known = !rtts.is_empty();
        let figures = [rtts.min(), rtts.mean(), p50, p90, p99, p99_9, rtts.max()];
        let loss_percent = 100.0 * totals.loss_ratio();
        let jitter = known.then_some(totals.jitter_seconds);
        let segments = Direction::ALL.map(|direction| totals.segments(direction));
        let most_packet_loss = totals.most_packet_loss();
        let (excess, most_excess_delay) = (totals.excess(), totals.most_excess_delay());
        Self {
            name: target.name().to_string(),
            address: target.address().to_string(),
            labels: target.labels().clone(),
            peer: totals.peer.map(|peer| peer.to_string()),
            interval_seconds: session.interval().as_secs_f64(),
            timeout_seconds: session.timeout().as_secs_f64(),
            slots: totals.slots(),
            sent: totals.sent,
            received: totals.received,
            timeouts: totals.timeouts,
            unsent: totals.unsent_total(),
            unsent_by_reason: by_reason(UnsentReason::ALL, UnsentReason::as_str, |reason| {
                totals.unsent(reason)
            }),
            missed: totals.missed(),
            lost: totals.lost(),
            late: totals.late,
            unexpected: totals.unexpected,
            in_flight: totals.in_flight(),
            loss_percent,
            within_max_loss: match (totals.received, totals.lost()) {
                (0, 0) => None,
                // Like ping, whatever the maximum is.
                (0, _) => Some(false),
                _ => Some(loss_percent <= max_loss.get()),
            },
            connects: totals.connects,
            connect_failures_by_reason: by_reason(
                ConnectFailure::ALL,
                ConnectFailure::as_str,
                |reason| totals.failures(reason),
            ),
            disconnects_by_reason: by_reason(
                DisconnectReason::ALL,
                DisconnectReason::as_str,
                |reason| totals.disconnects(reason),
            ),
            retransmits: totals.retransmits,
            packet_loss: PacketLossReport::new(segments),
            most_packet_loss: most_packet_loss.map(Direction::as_str),
            soft_errors: totals.soft_errors,
            excess_delay_seconds: excess.map(ExcessReport::new),
            most_excess_delay,
            rtt_seconds: known.then(|| RttReport::new(figures)),
            jitter_seconds: jitter,
            host_delay_p50_seconds: rtts.host_delay().map(|delay| delay.as_secs_f64()),
            rtt_histogram: histogram::buckets(rtts.counts(), histogram::FIXED)
                .into_iter()
                .filter(|bucket| bucket.count > 0)
                .map(|bucket| BucketReport {
                    lower_seconds: bucket.lower.as_secs_f64(),
                    upper_seconds: bucket.upper.as_secs_f64(),
                    count: bucket.count,
                })
                .collect(),
            shown: Shown {
                rtts: known.then_some(figures),
                jitter: jitter.and_then(|jitter| Duration::try_from_secs_f64(jitter).ok()),
                host_delay: rtts.host_delay(),
                retransmits: totals.retransmits,
                segments,
                most_packet_loss,
                excess,
                most_excess_delay,
                histogram: histogram::fitting(|| rtts.counts(), ROWS),
            },
        }
    }
}

impl RttReport {
    fn new(figures: [Duration; 7]) -> Self {
        let [min, mean, p50, p90, p99, p99_9, max] = figures.map(|figure| figure.as_secs_f64());
        Self {
            min,
            mean,
            p50,
            p90,
            p99,
            p99_9,
            max,
        }
    }
}

impl PacketLossReport {
    fn new(segments: [Option<SegmentCounts>; Direction::ALL.len()]) -> Self {
        let [forward, reverse] = segments.map(|segments| segments.map(SegmentsReport::new));
        Self { forward, reverse }
    }
}

impl SegmentsReport {
    fn new(segments: SegmentCounts) -> Self {
        Self {
            segments_sent: segments.sent,
            segments_lost: segments.lost,
            ratio: fault::ratio(segments),
        }
    }
}

impl ExcessReport {
    fn new(figures: [Figures; Part::ALL.len()]) -> Self {
        let [prober, forward, peer, reverse] = figures.map(|part| DelayReport {
            mean: part.mean.as_secs_f64(),
            p99: part.p99.as_secs_f64(),
            max: part.max.as_secs_f64(),
        });
        Self {
            prober,
            forward,
            peer,
            reverse,
        }
    }
}

/// A number for each reason, zeros included.
fn by_reason<R: Copy>(
    all: &[R],
    name: impl Fn(R) -> &'static str,
    number: impl Fn(R) -> u64,
) -> BTreeMap<&'static str, u64> {
    let all = all.iter().copied();
    all.map(|reason| (name(reason), number(reason))).collect()
}
