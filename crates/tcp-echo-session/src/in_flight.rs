//! Probes that await a reply.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use tcp_echo_wire::{Probe, Seq};

use crate::Time;

/// The in-flight table. Its entries are in the order of sequence numbers, so a reply finds its
/// probe by one subtraction, and of send times, so expiry checks only the front.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    entries: VecDeque<Entry>,
    /// The sequence number of the front entry.
    first: Seq,
    /// How many entries await a reply; the others are behind one that does.
    waiting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sent: Time,
    waiting: bool,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            first: Seq::FIRST,
            waiting: 0,
        }
    }

    /// The number of probes in flight.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds the probe that follows the last one added.
    pub(crate) fn push(&mut self, sent: Time) {
        if self.entries.capacity() == 0 {
            // At long intervals there is one at a time; more are added by the usual growth.
            self.entries.reserve_exact(1);
        }
        self.entries.push_back(Entry {
            sent,
            waiting: true,
        });
        self.waiting += 1;
    }

    /// Removes the probe that matches `reply` in sequence number and, unless the peer has put its
    /// stamp there, in time. Returns when it was sent.
    #[inline]
    pub(crate) fn answer(&mut self, reply: Probe, is_stamped: bool) -> Option<Time> {
        let index = usize::try_from(reply.seq.0.checked_sub(self.first.0)?).ok()?;
        let entry = self.entries.get_mut(index)?;
        if !entry.waiting || (entry.sent.wall != reply.sent && !is_stamped) {
            return None;
        }
        entry.waiting = false;
        let sent = entry.sent;
        self.waiting -= 1;
        self.trim();
        Some(sent)
    }

    /// When the oldest probe in flight times out.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        self.entries.front().map(|oldest| oldest.sent.at + timeout)
    }

    /// Removes the oldest probe in flight if it has timed out.
    pub(crate) fn expire(&mut self, now: Instant, timeout: Duration) -> Option<(Seq, Time)> {
        let oldest = self.entries.front()?;
        if now < oldest.sent.at + timeout {
            return None;
        }
        let expired = (self.first, oldest.sent);
        self.entries.pop_front();
        self.first = self.first.next();
        self.waiting -= 1;
        self.trim();
        Some(expired)
    }

    /// How many probes right after this one, which was removed from the front, are answered.
    pub(crate) fn answered_after(&self, seq: Seq) -> u64 {
        self.first.0.saturating_sub(seq.0 + 1)
    }

    /// Drops answered entries from the front, so that the front awaits a reply.
    fn trim(&mut self) {
        while self.entries.front().is_some_and(|entry| !entry.waiting) {
            self.entries.pop_front();
            self.first = self.first.next();
        }
    }
}
