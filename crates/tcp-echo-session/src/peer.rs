//! Who the peer says it is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_wire::{Identity, IdentityReader};

/// A peer is known by one identity at a time, and by another one no sooner than this. Each makes new
/// series of metrics.
const CHANGES_EVERY: Duration = Duration::from_secs(10 * 60);

/// What the peer has told of itself.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    identity: Arc<Identity>,
    /// When it last became known by another identity.
    changed: Option<Instant>,
    /// What it has said since, if it is something else.
    waiting: Option<Identity>,
    /// The parts that have arrived on the present connection.
    reader: IdentityReader,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self {
            identity: Arc::new(Identity::UNKNOWN),
            changed: None,
            waiting: None,
            reader: IdentityReader::new(),
        }
    }

    pub(crate) const fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// A connection was made to a peer that tells its identity.
    pub(crate) fn on_greeted(&mut self) {
        self.reader = IdentityReader::new();
    }

    /// The number of the part to ask for next.
    pub(crate) fn next_part(&self) -> Option<u8> {
        self.reader.next_part()
    }

    /// A part has arrived. A peer whose text is no identity has none.
    pub(crate) fn read(&mut self, n: u8, part: [u8; 7]) {
        if self.reader.next_part() != Some(n) {
            return;
        }
        self.reader.read(n, part);
        if self.reader.next_part().is_none() {
            let identity = self.reader.identity();
            self.said(identity.unwrap_or(Identity::UNKNOWN));
        }
    }

    /// It has said who it is.
    pub(crate) fn said(&mut self, identity: Identity) {
        self.waiting = (identity != *self.identity).then_some(identity);
    }

    /// Takes over what it has said, unless that is too soon. Returns the new identity.
    pub(crate) fn change(&mut self, at: Instant) -> Option<Arc<Identity>> {
        let is_soon = |changed| at.saturating_duration_since(changed) < CHANGES_EVERY;
        if self.changed.is_some_and(is_soon) {
            return None;
        }
        self.identity = Arc::new(self.waiting.take()?);
        self.changed = Some(at);
        Some(Arc::clone(&self.identity))
    }
}
