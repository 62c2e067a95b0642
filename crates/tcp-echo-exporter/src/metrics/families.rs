//! The metrics that every target has.

use tcp_echo_prober::{ConnectFailure, Direction, DisconnectReason, FlowSummary, UnsentReason};

use super::{
    layout::{self, Cell, Histogram},
    series_set::SeriesSet::{self, All, Minimal, Standard},
    snapshot::Snapshot,
};
use crate::encoding::{
    encoder::{self, Descriptor, Number, Unit},
    format::Format,
};

/// One metric of every target. The encoder appends `_total` and the unit to its name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) unit: Option<Unit>,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    /// The smallest set of series that has it.
    from: SeriesSet,
}

/// The type of a metric, and where its value is stored.
#[derive(Debug)]
pub(crate) enum Kind {
    Counter(Cell),
    /// A counter for each value of a label. Smaller sets than this have their sum.
    CounterBy(ByLabel, SeriesSet),
    /// A gauge for each value of a label: the ratio of the two counts in its number.
    RatioBy(ByLabel),
    IntGauge(Cell),
    SecondsGauge(Cell),
    /// The timeout, of targets where it is adaptive.
    EstimatedTimeout,
    Gauge(fn(&Snapshot<'_>) -> f64),
    /// In the minimal set that of the RTT is a native histogram alone, in protobuf alone.
    Histogram(Histogram),
    /// A histogram for each of [`layout::PARTS`].
    Excess,
    /// The sum of all RTTs, for the minimal set in text.
    RttSum,
    /// Quantiles over the loss window, for the minimal set in text.
    RttQuantiles,
    /// A number of the target's flows. The standard set has it of targets with several of them.
    Flows(fn(&FlowSummary) -> Number),
    /// Episodes by cause; the standard set has their sum.
    Episodes,
    /// A histogram of their lengths.
    EpisodeLengths,
    /// The address in use, as a label.
    Info,
}

/// Numbers next to each other, one for each value of a label.
#[derive(Debug)]
pub(crate) struct ByLabel {
    pub(crate) label: &'static str,
    /// The index of the first number.
    pub(crate) base: usize,
    pub(crate) values: fn() -> Vec<&'static str>,
}

/// All metrics, in the order of the exposition.
const FAMILIES: &[Family] = &[
    family(
        Minimal,
        "tcp_echo_sent",
        None,
        Kind::Counter(Cell::Sent),
        "Probes handed to the kernel whole.",
    ),
    family(
        Minimal,
        "tcp_echo_received",
        None,
        Kind::Counter(Cell::Received),
        "Replies that came within the timeout.",
    ),
    family(
        Minimal,
        "tcp_echo_timeouts",
        None,
        Kind::Counter(Cell::Timeouts),
        "Probes whose reply did not come within the timeout.",
    ),
    family(
        All,
        "tcp_echo_in_flight",
        None,
        Kind::IntGauge(Cell::InFlight),
        "Probes awaiting a reply: sent = received + timeouts + in flight.",
    ),
    family(
        All,
        "tcp_echo_late",
        None,
        Kind::Counter(Cell::Late),
        "Replies that came after their timeout.",
    ),
    family(
        All,
        "tcp_echo_unexpected",
        None,
        Kind::Counter(Cell::Unexpected),
        "Frames that answer nothing in flight and nothing timed out.",
    ),
    family(
        Minimal,
        "tcp_echo_unsent",
        None,
        Kind::CounterBy(
            by_reason(layout::UNSENT, || {
                names(UnsentReason::ALL, UnsentReason::as_str)
            }),
            Standard,
        ),
        "Slots of the schedule without a probe.",
    ),
    family(
        Minimal,
        "tcp_echo_loss_ratio",
        None,
        Kind::Gauge(|t| t.loss(1.0)),
        "Lost slots in the loss window, 0 to 1.",
    ),
    family(
        All,
        "tcp_echo_loss_percent",
        None,
        Kind::Gauge(|t| t.loss(100.0)),
        "Lost slots in the loss window, 0 to 100.",
    ),
    family(
        Minimal,
        "tcp_echo_rtt",
        SECONDS,
        Kind::Histogram(Histogram::Rtt),
        "Round-trip time of the replies that came within the timeout.",
    ),
    family(
        Minimal,
        "tcp_echo_rtt_quantile",
        SECONDS,
        Kind::RttQuantiles,
        "Quantiles of the round-trip time in the loss window; NaN without a reply in it.",
    ),
    family(
        Minimal,
        "tcp_echo_rtt_sum",
        SECONDS,
        Kind::RttSum,
        "Sum of the round-trip times of the replies that came within the timeout.",
    ),
    family(
        All,
        "tcp_echo_last_rtt",
        SECONDS,
        Kind::SecondsGauge(Cell::LastRtt),
        "Round-trip time of the last reply; 0 before the first.",
    ),
    family(
        Standard,
        "tcp_echo_jitter",
        SECONDS,
        Kind::Gauge(jitter),
        "Interarrival jitter of the round-trip time (RFC 3550).",
    ),
    family(
        All,
        "tcp_echo_send_lateness",
        SECONDS,
        Kind::Histogram(Histogram::SendLateness),
        "How long after its slot a probe was sent.",
    ),
    family(
        All,
        "tcp_echo_host_delay",
        SECONDS,
        Kind::Histogram(Histogram::HostDelay),
        "What the prober's own host added to the round-trip time as the process saw it.",
    ),
    family(
        Minimal,
        "tcp_echo_connected",
        None,
        Kind::IntGauge(Cell::Connected),
        "Whether there is a connection.",
    ),
    family(
        Standard,
        "tcp_echo_departed",
        None,
        Kind::IntGauge(Cell::Departed),
        "Whether the peer has said that it stops and is not back, for two minutes at most: no slot is due.",
    ),
    family(
        All,
        "tcp_echo_connects",
        None,
        Kind::Counter(Cell::Connects),
        "Connections made.",
    ),
    family(
        All,
        "tcp_echo_connect_failures",
        None,
        Kind::CounterBy(
            by_reason(layout::CONNECT_FAILURES, || {
                names(ConnectFailure::ALL, ConnectFailure::as_str)
            }),
            All,
        ),
        "Attempts to connect that failed.",
    ),
    family(
        Standard,
        "tcp_echo_disconnects",
        None,
        Kind::CounterBy(
            by_reason(layout::DISCONNECTS, || {
                names(DisconnectReason::ALL, DisconnectReason::as_str)
            }),
            All,
        ),
        "Connections that ended.",
    ),
    family(
        All,
        "tcp_echo_connect_duration",
        SECONDS,
        Kind::Histogram(Histogram::ConnectDuration),
        "TCP handshake time.",
    ),
    family(
        All,
        "tcp_echo_tcp_srtt",
        SECONDS,
        Kind::SecondsGauge(Cell::Srtt),
        "The kernel's smoothed RTT of the connection; 0 while unknown.",
    ),
    family(
        All,
        "tcp_echo_tcp_rttvar",
        SECONDS,
        Kind::SecondsGauge(Cell::Rttvar),
        "The kernel's RTT variation of the connection; 0 while unknown.",
    ),
    family(
        All,
        "tcp_echo_tcp_min_rtt",
        SECONDS,
        Kind::SecondsGauge(Cell::MinRtt),
        "The kernel's least RTT of the connection in the recent past; 0 while unknown.",
    ),
    family(
        Standard,
        "tcp_echo_tcp_retransmits",
        None,
        Kind::Counter(Cell::Retransmits),
        "Segments that the kernel retransmitted, over all connections.",
    ),
    family(
        All,
        "tcp_echo_segments_sent",
        None,
        Kind::CounterBy(by_direction(layout::SEGMENTS_SENT), All),
        "Data segments sent, with retransmissions, over all connections; reverse 0 unless the peer answers the hello.",
    ),
    family(
        All,
        "tcp_echo_segments_lost",
        None,
        Kind::CounterBy(by_direction(layout::SEGMENTS_LOST), All),
        "Data segments lost on the way, by the kernel that sent them; reverse 0 unless the peer answers the hello.",
    ),
    family(
        Standard,
        "tcp_echo_packet_loss_ratio",
        None,
        Kind::RatioBy(by_direction(layout::PACKET_LOSS)),
        "Data segments lost of those sent in the last minute, 0 to 1; 0 while unknown: reverse needs a peer that answers the hello.",
    ),
    family(
        All,
        "tcp_echo_excess_delay",
        SECONDS,
        Kind::Excess,
        "Round-trip time above its minimum of the last minutes, by part; needs a peer that answers the hello.",
    ),
    family(
        All,
        "tcp_echo_soft_errors",
        None,
        Kind::Counter(Cell::SoftErrors),
        "Times that a router or the host said unreachable while the connection lived.",
    ),
    family(
        All,
        "tcp_echo_estimated_timeout",
        SECONDS,
        Kind::EstimatedTimeout,
        "The timeout of replies now, which follows the round-trip time (RFC 6298).",
    ),
    family(
        Standard,
        "tcp_echo_flows",
        None,
        Kind::Flows(|flows| Number::Int(flows.flows.into())),
        "Flows of the target: connections from different source ports.",
    ),
    family(
        Standard,
        "tcp_echo_flows_bad",
        None,
        Kind::Flows(|flows| Number::Int(flows.bad.into())),
        "Flows that lose or stall while others of the target don't.",
    ),
    family(
        Standard,
        "tcp_echo_worst_flow_loss_ratio",
        None,
        Kind::Flows(|flows| Number::Float(flows.worst_loss_ratio)),
        "Lost slots in the loss window of the worst flow, 0 to 1.",
    ),
    family(
        Standard,
        "tcp_echo_worst_flow_rtt",
        SECONDS,
        Kind::Flows(|flows| Number::Float(flows.worst_rtt.unwrap_or_default().as_secs_f64())),
        "Median round-trip time of the last replies of the worst flow; of a flow alone that of the last one. 0 before the first.",
    ),
    family(
        Standard,
        "tcp_echo_worst_flow_port",
        None,
        Kind::Flows(|flows| Number::Int(flows.worst_port.unwrap_or_default().into())),
        "Source port of the worst flow; 0 while unknown, and of a flow alone unless its port is set.",
    ),
    family(
        Standard,
        "tcp_echo_episodes",
        None,
        Kind::Episodes,
        "Outages that have ended, by cause.",
    ),
    family(
        All,
        "tcp_echo_episode",
        SECONDS,
        Kind::EpisodeLengths,
        "Length of the outages that have ended.",
    ),
    family(
        All,
        "tcp_echo_target",
        None,
        Kind::Info,
        "The address in use; as written before the first connection.",
    ),
];

const SECONDS: Option<Unit> = Some(Unit::Seconds);

fn jitter(target: &Snapshot<'_>) -> f64 {
    target.jitter_seconds()
}

const fn family(
    from: SeriesSet,
    name: &'static str,
    unit: Option<Unit>,
    kind: Kind,
    help: &'static str,
) -> Family {
    Family {
        name,
        unit,
        kind,
        help,
        from,
    }
}

const fn by_reason(base: usize, values: fn() -> Vec<&'static str>) -> ByLabel {
    ByLabel {
        label: "reason",
        base,
        values,
    }
}

const fn by_direction(base: usize) -> ByLabel {
    ByLabel {
        label: "direction",
        base,
        values: || names(&Direction::ALL, Direction::as_str),
    }
}

fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|one| name(*one)).collect()
}

/// Returns the metrics that targets have in this set and format.
pub(crate) fn families(series: SeriesSet, format: Format) -> impl Iterator<Item = &'static Family> {
    FAMILIES
        .iter()
        .filter(move |family| family.is_in(series, format))
}

/// Returns how the histogram of a target is described.
pub(crate) fn histogram(histogram: Histogram) -> Option<Descriptor<'static>> {
    let of = |family: &&Family| matches!(family.kind, Kind::Histogram(own) if own == histogram);
    FAMILIES.iter().find(of).map(Family::descriptor)
}

impl Family {
    fn is_in(&self, series: SeriesSet, format: Format) -> bool {
        let has_kind = match self.kind {
            Kind::RttSum | Kind::RttQuantiles => series == Minimal && format != Format::Protobuf,
            Kind::Histogram(_) if series == Minimal => format == Format::Protobuf,
            _ => true,
        };
        self.from <= series && has_kind
    }

    pub(crate) const fn descriptor(&self) -> Descriptor<'static> {
        Descriptor {
            name: self.name,
            unit: self.unit,
            kind: match self.kind {
                Kind::Counter(_) | Kind::CounterBy(..) | Kind::RttSum | Kind::Episodes => {
                    encoder::Kind::Counter
                }
                Kind::IntGauge(_)
                | Kind::SecondsGauge(_)
                | Kind::EstimatedTimeout
                | Kind::Gauge(_)
                | Kind::RatioBy(_)
                | Kind::RttQuantiles
                | Kind::Flows(_) => encoder::Kind::Gauge,
                Kind::Histogram(_) | Kind::Excess | Kind::EpisodeLengths => {
                    encoder::Kind::Histogram
                }
                Kind::Info => encoder::Kind::Info,
            },
            help: self.help,
        }
    }
}
