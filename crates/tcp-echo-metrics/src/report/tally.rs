//! What is counted of one target.

use std::net::SocketAddr;

use tcp_echo_prober::{ConnectFailure, DisconnectReason, Event, Seq, SessionConfig, UnsentReason};

use super::rtts::Rtts;

/// The figures of one target.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// How many slots count.
    limit: u64,
    /// Nothing will be told any more.
    is_abandoned: bool,
    /// The last probe that counts so far.
    last: Seq,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) timeouts: u64,
    pub(super) late: u64,
    pub(super) unexpected: u64,
    unsent: [u64; UnsentReason::ALL.len()],
    pub(super) connects: u64,
    failures: [u64; ConnectFailure::ALL.len()],
    disconnects: [u64; DisconnectReason::ALL.len()],
    /// The address of the last connection.
    pub(super) peer: Option<SocketAddr>,
    pub(super) rtts: Rtts,
    pub(super) jitter_seconds: f64,
    pub(super) retransmits: Option<u64>,
}

impl Tally {
    /// Counts up to `limit` slots of a target that is probed in this way.
    pub(super) fn new(session: &SessionConfig, limit: u64) -> Self {
        Self {
            limit,
            is_abandoned: false,
            last: Seq(0),
            sent: 0,
            received: 0,
            timeouts: 0,
            late: 0,
            unexpected: 0,
            unsent: [0; UnsentReason::ALL.len()],
            connects: 0,
            failures: [0; ConnectFailure::ALL.len()],
            disconnects: [0; DisconnectReason::ALL.len()],
            peer: None,
            rtts: Rtts::new(session.timeout()),
            jitter_seconds: 0.0,
            retransmits: None,
        }
    }

    /// Takes an event in, if it counts, and says how many slots of it count, or
    /// nothing where it is left out. `jitter` is that of the session, in seconds.
    pub(super) fn count(&mut self, event: &Event, jitter: impl FnOnce() -> f64) -> Option<u64> {
        match *event {
            Event::Sent { seq, .. } if self.is_open() => {
                self.last = seq;
                self.sent += 1;
                return Some(1);
            }
            Event::Unsent { reason, slots } if self.is_open() => {
                let slots = slots.min(self.limit - self.slots());
                self.unsent[reason as usize] += slots;
                return Some(slots);
            }
            Event::Received {
                seq,
                rtt,
                host_delay,
            } if seq <= self.last => {
                self.received += 1;
                self.rtts.record(rtt, host_delay);
                self.jitter_seconds = jitter();
            }
            Event::TimedOut { seq } if seq <= self.last => self.timeouts += 1,
            Event::Late { seq } if seq <= self.last => self.late += 1,
            Event::Unexpected if !self.is_complete() => self.unexpected += 1,
            Event::Connected { address, .. } if !self.is_complete() => {
                self.connects += 1;
                self.peer = Some(address);
            }
            Event::ConnectFailed { reason } if !self.is_complete() => {
                self.failures[reason as usize] += 1;
            }
            Event::Disconnected { reason } if !self.is_complete() => {
                self.disconnects[reason as usize] += 1;
            }
            // The last ones are told when the connection is closed at the end.
            Event::TcpInfo(info) => self.retransmits = Some(info.retransmits),
            _ => return None,
        }
        Some(0)
    }

    /// No more slots count.
    pub(super) fn close(&mut self) {
        self.limit = self.slots();
    }

    /// Nothing more will be told, also of what is in flight.
    pub(super) fn abandon(&mut self) {
        self.close();
        self.is_abandoned = true;
    }

    /// The slots that count: those with an outcome and those in flight.
    pub(super) fn slots(&self) -> u64 {
        self.sent + self.unsent_total()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.sent - self.received - self.timeouts
    }

    /// Whether all slots that will ever count have their outcome, as far as they will.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_open() && (self.is_abandoned || self.in_flight() == 0)
    }

    fn is_open(&self) -> bool {
        self.slots() < self.limit
    }

    pub(super) fn unsent(&self, reason: UnsentReason) -> u64 {
        self.unsent[reason as usize]
    }

    pub(super) fn unsent_total(&self) -> u64 {
        self.unsent.iter().sum()
    }

    pub(super) fn failures(&self, reason: ConnectFailure) -> u64 {
        self.failures[reason as usize]
    }

    pub(super) fn disconnects(&self, reason: DisconnectReason) -> u64 {
        self.disconnects[reason as usize]
    }

    pub(super) fn lost(&self) -> u64 {
        self.timeouts + self.unsent_total()
    }

    /// The share of slots that were lost, of those that have an outcome. Without any,
    /// a target is lost that was never reached.
    pub(super) fn loss_ratio(&self) -> f64 {
        let outcomes = self.received + self.lost();
        match (outcomes, self.connects) {
            (0, 0) => 1.0,
            (0, _) => 0.0,
            _ => self.lost() as f64 / outcomes as f64,
        }
    }
}
