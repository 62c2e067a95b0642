//! What a session has counted.

use crate::UnsentReason;

/// A session's counts since its start.
///
/// They change one event at a time, so at every moment
/// `sent = received + timeouts + in flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots of the schedule that were begun: sent, unsent, or being written.
    pub slots: u64,
    /// Probes whose 16 bytes were handed to the kernel whole.
    pub sent: u64,
    /// Replies that came within the timeout.
    pub received: u64,
    /// Probes whose reply did not.
    pub timeouts: u64,
    /// Replies that came after their timeout.
    pub late: u64,
    /// Frames that answer nothing in flight and nothing timed out.
    pub unexpected: u64,
    pub(crate) unsent: [u64; UnsentReason::ALL.len()],
}

impl Counts {
    /// Slots without a probe, for one reason.
    pub fn unsent(&self, reason: UnsentReason) -> u64 {
        self.unsent[reason as usize]
    }

    /// Slots without a probe, for any reason.
    pub fn unsent_total(&self) -> u64 {
        self.unsent.iter().sum()
    }

    /// Slots without a probe that the prober's own host missed; see
    /// [`UnsentReason::is_own_host`].
    pub fn missed(&self) -> u64 {
        let reasons = UnsentReason::ALL.iter().copied();
        let missed = reasons.filter(|reason| reason.is_own_host());
        missed.map(|reason| self.unsent(reason)).sum()
    }
}
