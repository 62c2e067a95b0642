//! The flows of one target, side by side.

use std::{
    collections::VecDeque,
    num::NonZeroU16,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    FlowStatus, FlowSummary,
    loss::{LossCounts, RecentLoss, loses_more},
};
use crate::Path;

/// The median RTT is that of so many replies.
const RTTS: usize = 31;

/// A flow is dead after so many lost slots in a row …
const DEAD_AFTER: u32 = 2;
/// … since so long: TCP repairs a loss, and a loss of what it sends again, in less.
const DEAD_SINCE: Duration = Duration::from_millis(900);
/// … and alive again after so many replies in a row.
const ALIVE_AFTER: u32 = 3;

/// The flows of one target.
#[derive(Debug)]
pub(crate) struct TargetFlows {
    flows: Mutex<Vec<Flow>>,
    /// The port of the first flow, if it is not given.
    first_port: NonZeroU16,
    /// How many ports beyond the first ones were taken, to explore other paths.
    explored: AtomicU32,
}

/// One flow.
#[derive(Clone, Debug, Default)]
struct Flow {
    source_port: Option<u16>,
    is_bad: bool,
    /// Of the session's loss window.
    loss_ratio: f64,
    /// The last RTTs.
    rtts: VecDeque<Duration>,
    last_reply: Option<Instant>,
    /// When the first of the slots was due that were lost since the last reply.
    lost_since: Option<Instant>,
    lost_in_a_row: u32,
    replies_in_a_row: u32,
    recent: RecentLoss,
    path: Option<Arc<Path>>,
}

impl Flow {
    /// Since when it is dead.
    fn dead_since(&self, now: Instant) -> Option<Instant> {
        let is_dead = |since| now.saturating_duration_since(since) >= DEAD_SINCE;
        let since = self.lost_since.filter(|since| is_dead(*since))?;
        (self.lost_in_a_row >= DEAD_AFTER).then_some(since)
    }

    fn median_rtt(&self) -> Option<Duration> {
        let mut rtts: Vec<_> = self.rtts.iter().copied().collect();
        rtts.sort_unstable();
        rtts.get(rtts.len() / 2).copied()
    }
}

impl TargetFlows {
    pub(super) fn new(flows: u16) -> Self {
        Self {
            flows: Mutex::new(vec![Flow::default(); usize::from(flows)]),
            first_port: any_first_port(),
            explored: AtomicU32::new(0),
        }
    }

    pub(crate) const fn first_port(&self) -> NonZeroU16 {
        self.first_port
    }

    /// The number of the next port beyond those that the flows begin with.
    pub(crate) fn explore(&self) -> u32 {
        self.explored.fetch_add(1, Ordering::Relaxed)
    }

    /// The flow dials from another port, and so may take another path.
    pub(crate) fn moved(&self, flow: u16, source_port: Option<u16>) {
        self.change(flow, |flow| {
            let moved = Flow {
                source_port,
                loss_ratio: flow.loss_ratio,
                ..Flow::default()
            };
            *flow = moved;
        });
    }

    /// The flow is connected from this port.
    pub(crate) fn connected(&self, flow: u16, source_port: Option<u16>) {
        self.change(flow, |flow| flow.source_port = source_port);
    }

    pub(crate) fn replied(&self, flow: u16, now: Instant, rtt: Duration) {
        self.change(flow, |flow| {
            if flow.rtts.len() == RTTS {
                flow.rtts.pop_front();
            }
            flow.rtts.push_back(rtt);
            flow.last_reply = Some(now);
            flow.lost_since = None;
            flow.lost_in_a_row = 0;
            flow.replies_in_a_row = flow.replies_in_a_row.saturating_add(1);
        });
    }

    /// Slots were lost, as is known `now`; the first of them was due at `due`. Returns whether the flow is bad.
    pub(crate) fn lost(
        &self,
        flow: u16,
        (due, now): (Instant, Instant),
        slots: u64,
        loss_ratio: f64,
    ) -> bool {
        self.judge_after(flow, now, |flow| {
            flow.loss_ratio = loss_ratio;
            flow.lost_since.get_or_insert(due);
            let slots = u32::try_from(slots).unwrap_or(u32::MAX);
            flow.lost_in_a_row = flow.lost_in_a_row.saturating_add(slots);
            flow.replies_in_a_row = 0;
        })
    }

    /// What was sent and lost since the last call, and the loss of the session's window. Returns
    /// whether the flow is bad.
    pub(crate) fn counted(
        &self,
        flow: u16,
        now: Instant,
        counts: LossCounts,
        loss_ratio: f64,
    ) -> bool {
        self.judge_after(flow, now, |flow| {
            flow.loss_ratio = loss_ratio;
            flow.recent.add(now, counts);
        })
    }

    /// Keeps the path of a flow.
    pub(crate) fn traced(&self, flow: u16, path: Arc<Path>) {
        self.change(flow, |flow| flow.path = Some(path));
    }

    /// Judges a flow after a change: it is bad if it is dead while another one was answered, or if it
    /// loses more than the others.
    fn judge_after(&self, index: u16, now: Instant, change: impl FnOnce(&mut Flow)) -> bool {
        let mut flows = self.lock();
        if let Some(flow) = flows.get_mut(usize::from(index)) {
            change(flow);
        }
        let Some(flow) = flows.get(usize::from(index)) else {
            return false;
        };
        // A reply that was on its way when everything ended is no sign of life.
        let margin = flow.median_rtt().unwrap_or_default().saturating_mul(2);
        let is_dead = flow.dead_since(now).is_some_and(|since| {
            let mut replies = flows.iter().filter_map(|other| other.last_reply);
            replies.any(|reply| reply > since + margin)
        });
        // Once bad, it takes some replies to be good.
        let was_dead = flow.is_bad && flow.replies_in_a_row < ALIVE_AFTER;
        let counts = flow.recent.counts();
        let is_lossy = counts.lost > 0 && {
            let mut all: Vec<_> = flows.iter().map(|flow| flow.recent.counts()).collect();
            loses_more(counts, &mut all)
        };
        let is_bad = is_dead || was_dead || is_lossy;
        if let Some(flow) = flows.get_mut(usize::from(index)) {
            // What was lost on a dead path says nothing of it once it lives.
            if is_dead || (flow.is_bad && !is_bad) {
                flow.recent.clear();
            }
            flow.is_bad = is_bad;
        }
        is_bad
    }

    /// All flows.
    pub(super) fn statuses(&self) -> Vec<FlowStatus> {
        // The medians are computed without the lock, which the probing thread waits for.
        let flows = self.lock().clone();
        let statuses = flows.into_iter().map(|flow| FlowStatus {
            source_port: flow.source_port,
            is_bad: flow.is_bad,
            loss_ratio: flow.loss_ratio,
            rtt: flow.median_rtt(),
            path: flow.path,
        });
        statuses.collect()
    }

    /// The numbers of all flows together.
    pub(super) fn summary(&self) -> FlowSummary {
        FlowSummary::of(&self.statuses())
    }

    fn change<T>(&self, flow: u16, change: impl FnOnce(&mut Flow) -> T) -> Option<T> {
        self.lock().get_mut(usize::from(flow)).map(change)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first port of a target's flows, if it is not given: one of those for any use (RFC 6335), by
/// chance. If the system chose the ports, each attempt to connect would have another, and would leave a
/// dead path before that is known.
fn any_first_port() -> NonZeroU16 {
    let port = fastrand::u16(49_152..57_344);
    NonZeroU16::new(port).unwrap_or(NonZeroU16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn counts(sent: u32, lost: u32) -> LossCounts {
        LossCounts { sent, lost }
    }

    /// All flows answer every 10 ms until the first time, and those from `dead` on no longer.
    fn flows(n: u16, dead: u16, start: Instant) -> TargetFlows {
        let flows = TargetFlows::new(n);
        for slot in 0..200 {
            let at = start + slot * 10 * MS;
            for flow in 0..n {
                if flow < dead || slot < 50 {
                    flows.replied(flow, at + MS, MS);
                } else {
                    flows.lost(flow, (at, at), 1, 0.5);
                }
            }
        }
        flows
    }

    #[test]
    fn a_flow_that_dies_alone_is_bad() {
        let start = Instant::now();
        let flows = flows(4, 3, start);
        let bad: Vec<_> = flows.statuses().iter().map(|flow| flow.is_bad).collect();
        assert_eq!(bad, [false, false, false, true]);
        assert_eq!((flows.summary().flows, flows.summary().bad), (4, 1));

        // It takes some replies until it is good again.
        let later = start + 3_000 * MS;
        flows.replied(3, later, MS);
        assert!(flows.counted(3, later, counts(1, 0), 0.5));
        for slot in 1..3 {
            flows.replied(3, later + slot * 10 * MS, MS);
        }
        assert!(!flows.counted(3, later + 50 * MS, counts(3, 0), 0.5));
    }

    #[test]
    fn a_gap_that_tcp_repairs_is_no_death() {
        let start = Instant::now();
        let flows = flows(2, 2, start);
        let gap = start + 2_000 * MS;
        let is_bad = |after: u32| {
            flows.replied(0, gap + after * MS, MS);
            flows.lost(1, (gap, gap + after * MS), 1, 0.5)
        };
        assert!(!is_bad(200) && !is_bad(600) && is_bad(1_000));
    }

    #[test]
    fn flows_that_die_together_are_not() {
        let flows = flows(4, 0, Instant::now());
        assert_eq!(flows.summary().bad, 0);
    }

    #[test]
    fn one_of_two_may_be_bad_and_one_alone_never_is() {
        assert_eq!(flows(2, 1, Instant::now()).summary().bad, 1);
        assert_eq!(flows(1, 0, Instant::now()).summary().bad, 0);
    }

    #[test]
    fn the_worst_flow_is_the_bad_one_with_the_highest_loss() {
        let now = Instant::now();
        let flows = TargetFlows::new(3);
        for (flow, rtt) in [(0, 3 * MS), (1, 9 * MS), (2, 5 * MS)] {
            flows.connected(flow, Some(40_000 + flow));
            flows.replied(flow, now, rtt);
        }
        let worst = flows.summary();
        assert_eq!((worst.worst_port, worst.rtt_spread), (Some(40_001), 6 * MS));
        flows.counted(2, now, counts(1_000, 100), 0.1);
        for flow in 0..2 {
            flows.counted(flow, now, counts(1_000, 0), 0.0);
        }
        flows.counted(2, now, counts(0, 0), 0.1);
        let worst = flows.summary();
        assert_eq!((worst.bad, worst.worst_port), (1, Some(40_002)));
        assert_eq!(
            (worst.worst_loss_ratio, worst.worst_rtt),
            (0.1, Some(5 * MS))
        );

        flows.moved(2, None);
        let moved = &flows.statuses()[2];
        assert_eq!(
            (moved.is_bad, moved.source_port, moved.rtt),
            (false, None, None)
        );
    }
}
