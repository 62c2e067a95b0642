//! Probes that timed out and may still be answered late.

use std::collections::VecDeque;

use tcp_echo_wire::{Probe, Seq, UnixNanos};

/// Timed-out probes of the current connection, which tell a late reply from garbage. Bounded:
/// the oldest is forgotten first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expired {
    /// In the order of their sequence numbers. `None` while nothing has timed out, as in most
    /// connections.
    #[expect(clippy::box_collection, reason = "seldom there")]
    probes: Option<Box<VecDeque<Probe>>>,
}

/// Enough for 40 s at an interval of 10 ms, 64 KiB where all of it is used.
const MAX_PROBES: usize = 4096;

impl Expired {
    pub(crate) fn push(&mut self, seq: Seq, sent: UnixNanos) {
        let probes = self.probes.get_or_insert_default();
        if probes.len() == MAX_PROBES {
            probes.pop_front();
        }
        probes.push_back(Probe { seq, sent });
    }

    /// Removes the probe that `reply` answers. Returns when it was sent.
    pub(crate) fn answer(&mut self, reply: Probe, is_stamped: bool) -> Option<UnixNanos> {
        let probes = self.probes.as_mut()?;
        let index = probes.binary_search_by_key(&reply.seq, |p| p.seq).ok()?;
        if !is_stamped && probes[index] != reply {
            return None;
        }
        probes.remove(index).map(|probe| probe.sent)
    }

    /// Removes all probes and frees their memory.
    pub(crate) fn clear(&mut self) {
        self.probes = None;
    }
}
