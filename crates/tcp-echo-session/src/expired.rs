//! The probes that timed out and may still be answered late.

use std::collections::VecDeque;

use tcp_echo_wire::{Probe, Seq, UnixNanos};

/// What is remembered of timed-out probes of the present connection, so that a
/// reply to one is known as late and not taken for garbage. Bounded: the oldest
/// is forgotten first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expired {
    /// In the order of their sequence numbers.
    probes: VecDeque<Probe>,
}

/// Enough for 40 s at an interval of 10 ms, 64 KiB where all of it is used.
const MOST: usize = 4096;

impl Expired {
    pub(crate) fn push(&mut self, seq: Seq, sent: UnixNanos) {
        if self.probes.len() == MOST {
            self.probes.pop_front();
        }
        self.probes.push_back(Probe { seq, sent });
    }

    /// Takes out the probe that `reply` answers, if it is one of these.
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

    /// Forgets all of them and gives their memory back.
    pub(crate) fn clear(&mut self) {
        self.probes = VecDeque::new();
    }
}
