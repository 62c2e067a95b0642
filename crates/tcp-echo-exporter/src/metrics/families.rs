//! The metrics that every target has.

use tcp_echo_prober::{ConnectFailure, DisconnectReason, UnsentReason};

use super::{
    layout::{self, Cell, Histogram},
    snapshot::Snapshot,
};
use crate::encoding::encoder::{self, Descriptor, Unit};

/// One metric of every target. The encoder appends `_total` and the unit to its name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) unit: Option<Unit>,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

/// The type of a metric, and where its value is stored.
#[derive(Debug)]
pub(crate) enum Kind {
    Counter(Cell),
    /// A counter for each reason: the index of the first, and the reasons.
    CounterByReason(usize, fn() -> Vec<&'static str>),
    IntGauge(Cell),
    SecondsGauge(Cell),
    Gauge(fn(&Snapshot<'_>) -> f64),
    Histogram(Histogram),
    /// The address in use, as a label.
    Info,
}

/// All metrics, in the order of the exposition.
pub(crate) const FAMILIES: &[Family] = &[
    family(
        "tcp_echo_sent",
        None,
        Kind::Counter(Cell::Sent),
        "Probes handed to the kernel whole.",
    ),
    family(
        "tcp_echo_received",
        None,
        Kind::Counter(Cell::Received),
        "Replies that came within the timeout.",
    ),
    family(
        "tcp_echo_timeouts",
        None,
        Kind::Counter(Cell::Timeouts),
        "Probes whose reply did not come within the timeout.",
    ),
    family(
        "tcp_echo_in_flight",
        None,
        Kind::IntGauge(Cell::InFlight),
        "Probes awaiting a reply: sent = received + timeouts + in flight.",
    ),
    family(
        "tcp_echo_late",
        None,
        Kind::Counter(Cell::Late),
        "Replies that came after their timeout.",
    ),
    family(
        "tcp_echo_unexpected",
        None,
        Kind::Counter(Cell::Unexpected),
        "Frames that answer nothing in flight and nothing timed out.",
    ),
    family(
        "tcp_echo_unsent",
        None,
        Kind::CounterByReason(layout::UNSENT, || {
            reason_names(UnsentReason::ALL, UnsentReason::as_str)
        }),
        "Slots of the schedule without a probe.",
    ),
    family(
        "tcp_echo_loss_ratio",
        None,
        Kind::Gauge(|t| t.loss(1.0)),
        "Lost slots in the loss window, 0 to 1.",
    ),
    family(
        "tcp_echo_loss_percent",
        None,
        Kind::Gauge(|t| t.loss(100.0)),
        "Lost slots in the loss window, 0 to 100.",
    ),
    family(
        "tcp_echo_rtt",
        SECONDS,
        Kind::Histogram(Histogram::Rtt),
        "Round-trip time of the replies that came within the timeout.",
    ),
    family(
        "tcp_echo_last_rtt",
        SECONDS,
        Kind::SecondsGauge(Cell::LastRtt),
        "Round-trip time of the last reply; 0 before the first.",
    ),
    family(
        "tcp_echo_jitter",
        SECONDS,
        Kind::Gauge(jitter),
        "Interarrival jitter of the round-trip time (RFC 3550).",
    ),
    family(
        "tcp_echo_send_lateness",
        SECONDS,
        Kind::Histogram(Histogram::SendLateness),
        "How long after its slot a probe was sent.",
    ),
    family(
        "tcp_echo_host_delay",
        SECONDS,
        Kind::Histogram(Histogram::HostDelay),
        "What the prober's own host added to the round-trip time as the process saw it.",
    ),
    family(
        "tcp_echo_connected",
        None,
        Kind::IntGauge(Cell::Connected),
        "Whether there is a connection.",
    ),
    family(
        "tcp_echo_connects",
        None,
        Kind::Counter(Cell::Connects),
        "Connections made.",
    ),
    family(
        "tcp_echo_connect_failures",
        None,
        Kind::CounterByReason(layout::CONNECT_FAILURES, || {
            reason_names(ConnectFailure::ALL, ConnectFailure::as_str)
        }),
        "Attempts to connect that failed.",
    ),
    family(
        "tcp_echo_disconnects",
        None,
        Kind::CounterByReason(layout::DISCONNECTS, || {
            reason_names(DisconnectReason::ALL, DisconnectReason::as_str)
        }),
        "Connections that ended.",
    ),
    family(
        "tcp_echo_connect_duration",
        SECONDS,
        Kind::Histogram(Histogram::ConnectDuration),
        "TCP handshake time.",
    ),
    family(
        "tcp_echo_tcp_srtt",
        SECONDS,
        Kind::SecondsGauge(Cell::Srtt),
        "The kernel's smoothed RTT of the connection; 0 while unknown.",
    ),
    family(
        "tcp_echo_tcp_rttvar",
        SECONDS,
        Kind::SecondsGauge(Cell::Rttvar),
        "The kernel's RTT variation of the connection; 0 while unknown.",
    ),
    family(
        "tcp_echo_tcp_min_rtt",
        SECONDS,
        Kind::SecondsGauge(Cell::MinRtt),
        "The kernel's least RTT of the connection in the recent past; 0 while unknown.",
    ),
    family(
        "tcp_echo_tcp_retransmits",
        None,
        Kind::Counter(Cell::Retransmits),
        "Segments that the kernel retransmitted, over all connections.",
    ),
    family(
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

const fn family(name: &'static str, unit: Option<Unit>, kind: Kind, help: &'static str) -> Family {
    Family {
        name,
        unit,
        kind,
        help,
    }
}

fn reason_names<R: Copy>(reasons: &[R], word: fn(R) -> &'static str) -> Vec<&'static str> {
    reasons.iter().map(|reason| word(*reason)).collect()
}

impl Family {
    pub(crate) const fn descriptor(&self) -> Descriptor<'static> {
        Descriptor {
            name: self.name,
            unit: self.unit,
            kind: match self.kind {
                Kind::Counter(_) | Kind::CounterByReason(..) => encoder::Kind::Counter,
                Kind::IntGauge(_) | Kind::SecondsGauge(_) | Kind::Gauge(_) => encoder::Kind::Gauge,
                Kind::Histogram(_) => encoder::Kind::Histogram,
                Kind::Info => encoder::Kind::Info,
            },
            help: self.help,
        }
    }
}
