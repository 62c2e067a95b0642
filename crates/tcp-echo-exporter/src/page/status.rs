//! The targets as `/api/v1/targets` and the view of one show them.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Serialize;
use tcp_echo_prober::Direction;

use super::history::Tracks;
use crate::metrics::{
    layout::Cell,
    snapshot::{PacketLoss, Snapshot, Snapshots},
};

/// The body of `/api/v1/targets`.
#[derive(Debug, Serialize)]
pub(crate) struct TargetList<'a> {
    pub(crate) targets: Vec<TargetStatus<'a>>,
}

/// One target. The crate's documentation describes the fields.
#[derive(Debug, Serialize)]
pub(crate) struct TargetStatus<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) on_demand: bool,
    pub(crate) state: ConnectionState,
    pub(crate) last_rtt_seconds: Option<f64>,
    pub(crate) p50_seconds: Option<f64>,
    pub(crate) p99_seconds: Option<f64>,
    pub(crate) jitter_seconds: f64,
    pub(crate) loss_ratio: f64,
    pub(crate) missed_ratio: f64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) timeouts: u64,
    pub(crate) in_flight: u64,
    pub(crate) unsent: u64,
    pub(crate) missed: u64,
    pub(crate) late: u64,
    pub(crate) unexpected: u64,
    pub(crate) answers_hello: bool,
    pub(crate) packet_loss: BothDirections,
    pub(crate) excess_seconds: Option<Parts>,
}

/// The packet loss of both directions, where it is known.
#[derive(Debug, Serialize)]
pub(crate) struct BothDirections {
    pub(crate) forward: Option<PacketLoss>,
    pub(crate) reverse: Option<PacketLoss>,
}

/// The mean excess of each part of the round trip.
#[derive(Debug, Serialize)]
pub(crate) struct Parts {
    pub(crate) prober: f64,
    pub(crate) forward: f64,
    pub(crate) peer: f64,
    pub(crate) reverse: f64,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConnectionState {
    Untried,
    Connected,
    Disconnected,
    /// The peer has said that it stops, and is not back.
    Departed,
}

impl ConnectionState {
    pub(crate) fn of(target: &Snapshot<'_>) -> Self {
        match target.get(Cell::Connected) {
            _ if target.get(Cell::Departed) > 0 => Self::Departed,
            0 if target.is_tried() => Self::Disconnected,
            0 => Self::Untried,
            _ => Self::Connected,
        }
    }
}

impl<'a> TargetList<'a> {
    /// Lists all targets in the order of their names. `snapshots` need native histograms.
    pub(crate) fn of(snapshots: &'a Snapshots, tracks: &Tracks<'_>) -> Self {
        let targets = snapshots.iter();
        let targets = targets.map(|target| TargetStatus::of(target, tracks));
        Self {
            targets: targets.collect(),
        }
    }
}

impl<'a> TargetStatus<'a> {
    pub(crate) fn of(target: Snapshot<'a>, tracks: &Tracks<'_>) -> Self {
        let track = tracks.of(&target);
        let [p50, p99] = track.map_or([None; 2], |track| track.percentiles(&target));
        let excess = track.and_then(|track| track.excess(&target));
        let labels = target.labels().custom().iter();
        let labels = labels.map(|(name, value)| (name.as_str(), value.as_str()));
        let received = target.get(Cell::Received);
        Self {
            name: target.name(),
            address: target.address(),
            peer: target.peer(),
            labels: labels.chain(target.peer_labels()).collect(),
            on_demand: target.series().on_demand,
            state: ConnectionState::of(&target),
            last_rtt_seconds: (received > 0).then(|| target.seconds(Cell::LastRtt)),
            p50_seconds: p50,
            p99_seconds: p99,
            jitter_seconds: target.jitter_seconds(),
            loss_ratio: target.loss(1.0),
            missed_ratio: target.missed_ratio(),
            sent: target.get(Cell::Sent),
            received,
            timeouts: target.get(Cell::Timeouts),
            in_flight: target.get(Cell::InFlight),
            unsent: target.unsent(),
            missed: target.missed(),
            late: target.get(Cell::Late),
            unexpected: target.get(Cell::Unexpected),
            answers_hello: target.answers_hello(),
            packet_loss: BothDirections {
                forward: target.packet_loss(Direction::Forward),
                reverse: target.packet_loss(Direction::Reverse),
            },
            excess_seconds: excess.map(|[prober, forward, peer, reverse]| Parts {
                prober,
                forward,
                peer,
                reverse,
            }),
        }
    }
}
