//! What a session knows of its connection.

use std::time::{Duration, Instant};

use tcp_echo_wire::{Features, Seq};

/// A connection, from the session's side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// The first probe of this connection: replies to earlier ones can't come here.
    first: Seq,
    /// How many of its probes are in flight.
    awaited: u32,
    /// Since when a reply is awaited and nothing has come back.
    silent_since: Option<Instant>,
    /// Segments retransmitted on it, as last read.
    pub(crate) retransmits: u64,
    /// Whether it began with a hello.
    pub(crate) has_hello: bool,
    /// What the peer has granted.
    pub(crate) granted: Features,
    /// Whether a frame has come back.
    pub(crate) has_answered: bool,
    /// Whether the peer has said that it stops.
    pub(crate) is_departing: bool,
    /// The request to write next.
    pub(crate) request: Option<Request>,
    /// After how many more readings of `TCP_INFO` the peer is asked for its segments.
    pub(crate) asks_after: u8,
}

/// A request to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Before any probe.
    Hello,
    /// After the probes that are due.
    Segments,
    /// The part of this number of the peer's identity; after the probes that are due.
    Identity(u8),
}

impl Link {
    pub(crate) fn new(first: Seq, has_hello: bool) -> Self {
        Self {
            has_hello,
            asks_after: 0,
            granted: Features::NONE,
            has_answered: false,
            is_departing: false,
            request: has_hello.then_some(Request::Hello),
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

    /// Since when a reply is awaited and nothing has come back.
    pub(crate) const fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// When the connection counts as stalled, unless something comes back.
    pub(crate) fn stalls_at(&self, limit: Duration) -> Option<Instant> {
        self.silent_since.map(|since| since + limit)
    }
}
