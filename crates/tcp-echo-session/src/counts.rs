//! The counts of a session.

use std::ops::AddAssign;

use crate::UnsentReason;

/// A session's counts since its start.
///
/// They change one event at a time, so at every moment
/// `sent = received + timeouts + in flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots of the schedule so far: sent, unsent, or being written.
    pub slots: u64,
    /// Probes that the kernel has taken whole.
    pub sent: u64,
    /// Replies within the timeout.
    pub received: u64,
    /// Probes without a reply within the timeout.
    pub timeouts: u64,
    /// Replies after the timeout.
    pub late: u64,
    /// Frames that answer no probe in flight and none that timed out.
    pub unexpected: u64,
    pub(crate) unsent: [u64; UnsentReason::ALL.len()],
}

/// Adds those of another session.
impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.slots += other.slots;
        self.sent += other.sent;
        self.received += other.received;
        self.timeouts += other.timeouts;
        self.late += other.late;
        self.unexpected += other.unexpected;
        for (sum, unsent) in self.unsent.iter_mut().zip(other.unsent) {
            *sum += unsent;
        }
    }
}

impl Counts {
    /// Unsent slots, by reason.
    pub fn unsent(&self, reason: UnsentReason) -> u64 {
        self.unsent[reason as usize]
    }

    /// Unsent slots in total.
    pub fn unsent_total(&self) -> u64 {
        self.unsent.iter().sum()
    }

    /// Unsent slots that the prober's own host missed; see [`UnsentReason::is_own_host`].
    pub fn missed(&self) -> u64 {
        let reasons = UnsentReason::ALL.iter().copied();
        let missed = reasons.filter(|reason| reason.is_own_host());
        missed.map(|reason| self.unsent(reason)).sum()
    }
}
