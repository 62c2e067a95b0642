//! When a flow votes for the links of its path.

use std::time::{Duration, Instant};

use tcp_echo_session::{ConnectFailure, DisconnectReason, Event};

use crate::paths::{LossCounts, RecentLoss};

/// How often a flow votes at most.
const VOTE_EVERY: Duration = Duration::from_secs(10);

/// Fewer losses say nothing of the path.
const MIN_LOST: u32 = 2;

/// A flow with less loss than this, in percent, votes only if others of its target lose less still.
const MIN_PERCENT: u32 = 1;

/// While as many slots in a row are lost, it is not known which of the two directions loses.
const UNANSWERED: u32 = 2;

/// What a flow knows of losses on its way to the target.
///
/// Unlike a bad flow, one that votes is not compared with others: all flows of a target, or of all
/// targets, may have to pass the link that loses.
#[derive(Default)]
pub(super) struct Voting {
    /// What was sent and lost since the last vote.
    forward: RecentLoss,
    /// Whether the last connection has stalled, or the last attempt got no answer.
    is_silent: bool,
    /// Slots lost in a row.
    unanswered: u32,
    not_before: Option<Instant>,
}

impl Voting {
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::Received { .. } => self.unanswered = 0,
            Event::TimedOut { .. } => self.unanswered = self.unanswered.saturating_add(1),
            Event::Connected { .. } => {
                self.is_silent = false;
                self.unanswered = 0;
            }
            Event::Disconnected {
                reason: DisconnectReason::Stalled,
            } => {
                self.is_silent = true;
                // What was sent again for want of an acknowledgement may have arrived.
                self.forward.clear();
            }
            Event::ConnectFailed { reason } => {
                let (silence, unreachable) = (ConnectFailure::Timeout, ConnectFailure::Unreachable);
                self.is_silent = *reason == silence || *reason == unreachable;
            }
            _ => {}
        }
    }

    /// Records what the path to the target has lost.
    pub(super) fn count(&mut self, now: Instant, counts: LossCounts) {
        self.forward.add(now, counts);
    }

    /// The path is another one.
    pub(super) fn moved(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether the path to the target has lost enough for a vote.
    pub(super) fn is_lossy(&self, is_bad: bool) -> bool {
        let counts = self.forward.counts();
        let is_much =
            u64::from(counts.lost) * 100 >= u64::from(counts.sent) * u64::from(MIN_PERCENT);
        self.unanswered < UNANSWERED && counts.lost >= MIN_LOST && (is_much || is_bad)
    }

    /// Whether a vote now is not too soon after the last one.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// The flow has voted: the next vote is for other losses.
    pub(super) fn voted(&mut self, now: Instant) {
        self.not_before = Some(now + VOTE_EVERY);
        self.forward.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(sent: u32, lost: u32) -> LossCounts {
        LossCounts { sent, lost }
    }

    #[test]
    fn each_vote_is_for_losses_of_its_own() {
        let start = Instant::now();
        let mut voting = Voting::default();
        voting.count(start, counts(50, 1));
        assert!(!voting.is_lossy(true), "one loss is none");
        voting.count(start, counts(50, 1));
        assert!(voting.is_lossy(false) && voting.is_due(start));
        voting.voted(start);
        assert!(!voting.is_lossy(true) && !voting.is_due(start));
        let later = start + VOTE_EVERY;
        voting.count(later, counts(50, 2));
        assert!(voting.is_lossy(false) && voting.is_due(later));
    }

    #[test]
    fn little_loss_matters_where_others_have_less() {
        let mut voting = Voting::default();
        voting.count(Instant::now(), counts(1_000, 9));
        assert!(!voting.is_lossy(false) && voting.is_lossy(true));
    }

    #[test]
    fn a_flow_without_replies_is_silent_until_it_connects() {
        let mut voting = Voting::default();
        voting.count(Instant::now(), counts(10, 5));
        for _ in 0..UNANSWERED {
            assert!(voting.is_lossy(false));
            voting.observe(&Event::TimedOut {
                seq: tcp_echo_session::Seq(1),
            });
        }
        assert!(!voting.is_lossy(true), "the replies may be lost");
        let reason = DisconnectReason::Stalled;
        voting.observe(&Event::Disconnected { reason });
        assert!(voting.is_silent());
        let reason = ConnectFailure::Timeout;
        voting.observe(&Event::ConnectFailed { reason });
        assert!(voting.is_silent());
        let reason = ConnectFailure::Refused;
        voting.observe(&Event::ConnectFailed { reason });
        assert!(!voting.is_silent(), "there is somebody");
        assert!(!voting.is_lossy(true), "nothing is left of the connection");
    }
}
