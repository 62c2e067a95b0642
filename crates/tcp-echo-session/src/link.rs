//! What a session knows of its connection.

use std::time::{Duration, Instant};

use tcp_echo_wire::Seq;

/// A connection, from the session's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The first probe of this connection: replies to earlier ones can't come here.
    first: Seq,
    /// How many of its probes are in flight.
    awaited: usize,
    /// Since when a reply is awaited and nothing has come back.
    silent_since: Option<Instant>,
    /// Segments retransmitted on it, as last read.
    pub(crate) retransmits: u64,
}

impl Link {
    pub(crate) fn new(first: Seq) -> Self {
        Self {
            first,
            awaited: 0,
            silent_since: None,
            retransmits: 0,
        }
    }

    /// Whether the probe was sent on this connection.
    pub(crate) fn carried(&self, seq: Seq) -> bool {
        seq >= self.first
    }

    pub(crate) fn sent(&mut self, at: Instant) {
        self.awaited += 1;
        self.silent_since.get_or_insert(at);
    }

    /// A reply came back to a probe that was in flight.
    pub(crate) fn received(&mut self, at: Instant) {
        self.awaited -= 1;
        self.answered(at);
    }

    /// Something came back: the peer answers.
    pub(crate) fn answered(&mut self, at: Instant) {
        self.silent_since = (self.awaited > 0).then_some(at);
    }

    /// A probe in flight timed out; the silence goes on.
    pub(crate) fn timed_out(&mut self) {
        self.awaited -= 1;
    }

    /// When the connection counts as stalled, unless something comes back.
    pub(crate) fn stalls_at(&self, limit: Duration) -> Option<Instant> {
        self.silent_since.map(|since| since + limit)
    }
}
