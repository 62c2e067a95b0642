//! Consistent views of the targets' numbers.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

#[cfg(feature = "page")]
use serde::Serialize;
use tcp_echo_episodes::Totals;
#[cfg(feature = "page")]
use tcp_echo_prober::{Direction, DisconnectReason, UnsentReason};
use tcp_echo_prober::{FlowSummary, Identity};

use super::{
    buckets::seconds,
    buffer_pool::PooledBuffer,
    counts,
    labels::Labels,
    layout::{self, Cell, HistogramSlot, Layout, unpack},
    rtt_window::{self, QUANTILES},
    series::Series,
};

/// Snapshots of many targets, each consistent in itself. Everything in one response comes from
/// one of these.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) layout: Arc<Layout>,
    pub(crate) targets: Vec<Arc<Series>>,
    /// The words of all targets, one target after the other.
    pub(crate) words: PooledBuffer,
    /// The end of each target's words.
    pub(crate) ends: Vec<usize>,
    /// Whether they have the native histogram.
    pub(crate) native: bool,
    /// What is known of the paths to some targets, in their order.
    pub(crate) flows: Vec<(usize, FlowSummary)>,
    /// Who the peer of each target is, if it has said so.
    pub(crate) peers: Vec<Option<Arc<Identity>>>,
    /// The episodes of targets that had any; `None` if they are not known.
    pub(crate) episodes: Option<HashMap<Arc<str>, Totals>>,
}

impl Snapshots {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Snapshot<'_>> {
        let mut start = 0;
        let mut flows = self.flows.iter().peekable();
        let targets = self.targets.iter().zip(&self.ends).zip(&self.peers);
        let targets = targets.enumerate();
        targets.map(move |(index, ((series, end), identity))| {
            let words = &self.words[start..*end];
            start = *end;
            let summary = flows.next_if(|(of, _)| *of == index);
            let summary = summary.map(|(_, summary)| summary);
            let snapshot = Snapshot::new(series, &self.layout, words, self.native);
            snapshot
                .with_flows(summary)
                .with_identity(identity.as_deref())
        })
    }
}

/// One target at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot<'a> {
    series: &'a Arc<Series>,
    layout: &'a Layout,
    words: &'a [u64],
    native: bool,
    flows: Option<&'a FlowSummary>,
    identity: Option<&'a Identity>,
}

/// One histogram at that moment.
#[derive(Debug)]
pub(crate) struct HistogramSnapshot<'a> {
    /// In seconds.
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// The count of each bucket, not cumulative.
    pub(crate) buckets: &'a [u64],
}

/// The data segments of one direction.
#[cfg(feature = "page")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct PacketLoss {
    /// Of the last minute.
    pub(crate) ratio: f64,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
}

/// The excess of round trips that were split into their parts.
#[cfg(feature = "page")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExcessTotals {
    pub(crate) replies: u64,
    /// The sum of each of [`layout::PARTS`].
    pub(crate) nanos: [u64; layout::PARTS.len()],
}

#[cfg(feature = "page")]
impl ExcessTotals {
    /// Returns the mean of each part since then, in seconds; `None` without a reply since.
    pub(crate) fn mean_since(&self, then: &Self) -> Option<[f64; layout::PARTS.len()]> {
        let replies = self.replies.wrapping_sub(then.replies);
        (replies > 0).then(|| {
            std::array::from_fn(|part| {
                seconds(self.nanos[part].wrapping_sub(then.nanos[part])) / replies as f64
            })
        })
    }
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(
        series: &'a Arc<Series>,
        layout: &'a Layout,
        words: &'a [u64],
        native: bool,
    ) -> Self {
        Self {
            series,
            layout,
            words,
            native,
            flows: None,
            identity: None,
        }
    }

    const fn with_flows(mut self, flows: Option<&'a FlowSummary>) -> Self {
        self.flows = flows;
        self
    }

    const fn with_identity(mut self, identity: Option<&'a Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// Returns the labels that tell who the peer is, if it has said so.
    pub(crate) fn peer_labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let node = self.identity.and_then(Identity::node);
        let zone = self.identity.and_then(Identity::zone);
        let labels = [("peer_node", node), ("peer_zone", zone)];
        labels
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Returns how many flows the target has.
    pub(crate) fn flow_count(&self) -> usize {
        self.series.flows.all().len()
    }

    /// Returns what is known of the flows. Those of a target without a record of paths, as one
    /// flow alone has none as a rule, are as the target is.
    pub(crate) fn flows(&self) -> FlowSummary {
        match self.flows {
            // The target's own loss is as of this moment.
            Some(flows) if flows.flows == 1 => {
                return FlowSummary {
                    worst_loss_ratio: self.loss(1.0),
                    ..*flows
                };
            }
            Some(flows) => return *flows,
            None => {}
        }
        let last_rtt = self.get(Cell::LastRtt);
        FlowSummary {
            flows: u16::try_from(self.flow_count()).unwrap_or(u16::MAX),
            worst_loss_ratio: self.loss(1.0),
            worst_rtt: (last_rtt > 0).then(|| Duration::from_nanos(last_rtt)),
            ..FlowSummary::default()
        }
    }

    pub(crate) fn labels(&self) -> &'a Labels {
        &self.series.labels
    }

    /// The address as written.
    pub(crate) fn address(&self) -> &'a str {
        &self.series.address
    }

    /// Returns the peer's address, or that of the last connection if there is none now.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        layout::peer(self.words)
    }

    pub(crate) fn get(&self, cell: Cell) -> u64 {
        self.words[cell as usize]
    }

    /// Returns a duration in seconds.
    pub(crate) fn seconds(&self, cell: Cell) -> f64 {
        seconds(self.get(cell))
    }

    pub(crate) fn jitter_seconds(&self) -> f64 {
        f64::from_bits(self.get(Cell::Jitter))
    }

    /// Returns the lost fraction of the loss window, times `scale`.
    pub(crate) fn loss(&self, scale: f64) -> f64 {
        let (lost, len) = self.window();
        ratio(scale, lost, len)
    }

    /// Returns the number of lost outcomes in the loss window, and of all outcomes.
    pub(crate) fn window(&self) -> (u64, u64) {
        unpack(self.get(Cell::Window))
    }

    /// Returns the numbers from `base` on: of a metric by reason, direction or part.
    pub(crate) fn numbers(&self, base: usize, len: usize) -> &'a [u64] {
        &self.words[base..base + len]
    }

    pub(crate) fn histogram(&self, slot: &HistogramSlot) -> HistogramSnapshot<'a> {
        let (sum, buckets) = slot.of(self.words);
        HistogramSnapshot {
            sum: seconds(sum),
            count: buckets.iter().sum(),
            buckets,
        }
    }

    /// Returns the quantiles of the RTT over the loss window, in seconds; NaN without a reply in it,
    /// or if they are not in the set of series.
    pub(crate) fn rtt_quantiles(&self) -> [f64; QUANTILES.len()] {
        let words = self.words.get(self.layout.rtt_window.clone());
        rtt_window::quantiles(words.unwrap_or_default())
    }

    /// Returns the native histogram of the RTT: its buckets that are not empty, in increasing
    /// order, and the count of each. `None` if the snapshot was taken without.
    pub(crate) fn native(&self) -> Option<impl Iterator<Item = (usize, u64)> + use<'a>> {
        let entries = self.words.iter().skip(self.layout.native());
        let counts = entries.map(|entry| counts::bucket_and_count(*entry));
        self.native.then_some(counts)
    }
}

impl<'a> Snapshot<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.series.name
    }
}

/// The numbers that only the page shows.
#[cfg(feature = "page")]
impl<'a> Snapshot<'a> {
    pub(crate) fn series(&self) -> &'a Arc<Series> {
        self.series
    }

    /// Returns the fraction of the loss window that this host missed.
    pub(crate) fn missed_ratio(&self) -> f64 {
        ratio(1.0, self.get(Cell::Missed), self.window().1)
    }

    pub(crate) fn unsent(&self) -> u64 {
        let reasons = layout::CONNECT_FAILURES - layout::UNSENT;
        self.numbers(layout::UNSENT, reasons).iter().sum()
    }

    /// Returns the number of slots that this host missed itself.
    pub(crate) fn missed(&self) -> u64 {
        let counts = self.numbers(layout::UNSENT, UnsentReason::ALL.len());
        let by_reason = UnsentReason::ALL.iter().zip(counts);
        let missed = by_reason.filter(|(reason, _)| reason.is_own_host());
        missed.map(|(_, count)| count).sum()
    }

    /// Returns the number of timeouts and unsent slots, without those that this host missed.
    pub(crate) fn lost_elsewhere(&self) -> u64 {
        self.get(Cell::Timeouts) + self.unsent() - self.missed()
    }

    /// Returns the data segments of a direction; `None` while nothing is known of it.
    pub(crate) fn packet_loss(&self, direction: Direction) -> Option<PacketLoss> {
        let number = |base: usize| self.words[base + direction as usize];
        let sent = number(layout::SEGMENTS_SENT);
        (sent > 0).then(|| PacketLoss {
            ratio: packed_ratio(number(layout::PACKET_LOSS)),
            sent,
            lost: number(layout::SEGMENTS_LOST),
        })
    }

    /// Returns whether the peer of the present or last connection has answered the hello.
    pub(crate) fn answers_hello(&self) -> bool {
        self.get(Cell::Greeted) > 0
    }

    /// Returns the excess of all round trips that were split into their parts.
    pub(crate) fn excess(&self) -> ExcessTotals {
        ExcessTotals {
            replies: self.get(Cell::Excesses),
            nanos: std::array::from_fn(|part| self.words[layout::EXCESS + part]),
        }
    }

    pub(crate) fn connects(&self) -> u64 {
        self.get(Cell::Connects)
    }

    pub(crate) fn connect_failures(&self) -> u64 {
        let reasons = layout::DISCONNECTS - layout::CONNECT_FAILURES;
        self.numbers(layout::CONNECT_FAILURES, reasons).iter().sum()
    }

    pub(crate) fn disconnects(&self) -> u64 {
        let reasons = DisconnectReason::ALL.len();
        self.numbers(layout::DISCONNECTS, reasons).iter().sum()
    }

    pub(crate) fn is_tried(&self) -> bool {
        self.connects() > 0
            || self.connect_failures() > 0
            || self.words[layout::UNSENT_RESOURCES] > 0
    }
}

/// Returns the ratio of two counts in a word, at most 1.
pub(crate) fn packed_ratio(packed: u64) -> f64 {
    let (of, len) = unpack(packed);
    ratio(1.0, of, len).min(1.0)
}

fn ratio(scale: f64, of: u64, len: u64) -> f64 {
    if len == 0 {
        0.0
    } else {
        scale * of as f64 / len as f64
    }
}
