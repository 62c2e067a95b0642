//! What the status page and `/api/v1/targets` show.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Serialize;

use crate::{
    layout::Cell,
    snapshot::{Snapshot, Snapshots},
};

/// All targets, in the order of their names.
#[derive(Debug, Serialize)]
pub(crate) struct Status<'a> {
    pub(crate) targets: Vec<TargetStatus<'a>>,
}

/// One target; the fields are those of the crate's documentation.
#[derive(Debug, Serialize)]
pub(crate) struct TargetStatus<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) state: State,
    pub(crate) last_rtt_seconds: Option<f64>,
    pub(crate) jitter_seconds: f64,
    pub(crate) loss_ratio: f64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) timeouts: u64,
    pub(crate) in_flight: u64,
    pub(crate) unsent: u64,
    pub(crate) late: u64,
    pub(crate) unexpected: u64,
}

/// How it stands with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Untried,
    Connected,
    Disconnected,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
        }
    }
}

impl<'a> Status<'a> {
    pub(crate) fn of(snapshots: &'a Snapshots) -> Self {
        let targets = snapshots.iter().map(TargetStatus::of).collect();
        Self { targets }
    }
}

impl<'a> TargetStatus<'a> {
    fn of(target: Snapshot<'a>) -> Self {
        let labels = target.labels().own().iter();
        let received = target.get(Cell::Received);
        Self {
            name: target.name(),
            address: target.address(),
            peer: target.peer(),
            labels: labels.map(|(k, v)| (k.as_str(), v.as_str())).collect(),
            state: match target.get(Cell::Connected) {
                0 if target.is_tried() => State::Disconnected,
                0 => State::Untried,
                _ => State::Connected,
            },
            last_rtt_seconds: (received > 0).then(|| target.seconds(Cell::LastRtt)),
            jitter_seconds: target.jitter_seconds(),
            loss_ratio: target.loss(1.0),
            sent: target.get(Cell::Sent),
            received,
            timeouts: target.get(Cell::Timeouts),
            in_flight: target.get(Cell::InFlight),
            unsent: target.unsent(),
            late: target.get(Cell::Late),
            unexpected: target.get(Cell::Unexpected),
        }
    }
}
