//! Probes that timed out and may still be answered late.

use std::collections::VecDeque;

use tcp_echo_wire::{Probe, Seq, UnixNanos};

/// Timed-out probes of the current connection, which tell a late reply from garbage. Bounded:
/// the oldest is forgotten first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expired {
    /// In the order of their sequence numbers.
    probes: VecDeque<Probe>,
}

/// Enough for 40 s at an interval of 10 ms, 64 KiB where all of it is used.
const MAX_PROBES: usize = 4096;

impl Expired {
    pub(crate) fn push(&mut self, seq: Seq, sent: UnixNanos) {
        if self.probes.len() == MAX_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(Probe { seq, sent });
    }

    /// Removes the probe that `reply` answers. Returns whether it was there.
    pub(crate) fn answer(&mut self, reply: Probe) -> bool {
        let Ok(index) = self.probes.binary_search_by_key(&reply.seq, |p| p.seq) else {
            return false;
        };
        let found = self.probes[index] == reply;
        if found {
            self.probes.remove(index);
        }
        found
    }

    /// Removes all probes and frees their memory.
    pub(crate) fn clear(&mut self) {
        self.probes = VecDeque::new();
    }
}
