//! What a detector keeps while slots are lost or slow.

use std::time::{Duration, Instant};

use crate::{
    Cause, Episode,
    evidence::{Course, Evidence, Ground, Tally},
    recent::{Chain, Recent},
    usual::Usual,
};

/// An end of the connection is no noise: with it, one slot is enough.
const MIN_LOST: u64 = 2;
const MIN_MISSED: Duration = Duration::from_millis(200);
const MIN_MISSED_IN_ALL: Duration = Duration::from_secs(1);

const SCATTERED: usize = 4;
const WITHIN: Duration = Duration::from_secs(10);
const WITHIN_SLOTS: u32 = 20;

const MIN_SLOW: u32 = 5;
const MIN_SLOW_SPAN: Duration = Duration::from_secs(1);

/// What a lost segment costs at least: the minimum of a retransmission timeout is 200 ms.
const RETRANSMISSION: Duration = Duration::from_millis(150);
const RETRANSMISSIONS: usize = 3;

const MIN_ANSWERED: u32 = 3;
const CALM: Duration = Duration::from_secs(3);
const CALM_IF_MIXED: Duration = Duration::from_secs(10);

/// After this time, slow replies are the usual ones.
const MAX_SLOW: Duration = Duration::from_secs(10 * 60);

/// The pace of the session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Slots in a row that are lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// When the first one was due.
    pub(crate) due: Instant,
    pub(crate) slots: u64,
    pub(crate) ground: Ground,
    /// How many slots right after them are answered already.
    pub(crate) answered_after: u64,
}

/// What is known since the first slot that was lost or slow.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) evidence: Evidence,
    /// The last slot that was lost or slow.
    last: Instant,
    /// Slots that were lost, or late by a retransmission.
    bad: Chain,
    /// Slots that were slow.
    late: Chain,
    /// Lost slots in a row.
    run: Option<Run>,
    slow: Option<Slow>,
    scattered: Recent<SCATTERED>,
    retransmissions: Recent<RETRANSMISSIONS>,
    /// Slots that the host missed, since when.
    missed: (Instant, u64),
    open: Option<Open>,
    /// Whether the usual RTT is another one from now on.
    pub(crate) is_settled: bool,
    /// Whether a reading of `TCP_INFO` would tell why nothing comes back.
    pub(crate) asks: bool,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: Instant,
    last: Instant,
    slots: u64,
    tally: Tally,
}

/// Slots that are slow, with a few between them that are not.
#[derive(Clone, Copy, Debug)]
struct Slow {
    first: Instant,
    replies: u32,
    slots: u32,
    /// How many of the last ones in a row were not slow.
    usual: u32,
}

/// The current episode.
#[derive(Clone, Copy, Debug)]
struct Open {
    began: Instant,
    slots_lost: u64,
    tally: Tally,
    is_slow: bool,
    /// Replies came between what was lost.
    is_mixed: bool,
    /// The first of the slots answered last, and their number.
    answered: Option<(Instant, u32)>,
    cause: Option<Cause>,
}

impl Open {
    fn new(began: Instant) -> Self {
        Self {
            began,
            slots_lost: 0,
            tally: Tally::default(),
            is_slow: false,
            is_mixed: false,
            answered: None,
            cause: None,
        }
    }
    /// Slots were lost on one ground, with replies between them.
    fn mixed(began: Instant, ground: Ground, slots: u64) -> Self {
        let mut open = Self::new(began);
        open.slots_lost = slots;
        open.tally.add(ground, slots);
        open.is_mixed = true;
        open
    }

    /// Slots up to `end` were lost.
    fn lose(&mut self, lost: Lost, end: Instant) {
        self.slots_lost += lost.slots;
        self.tally.add(lost.ground, lost.slots);
        self.began = self.began.min(lost.due);
        if self.answered.is_some_and(|(first, _)| first < end) {
            self.answered = None;
            self.is_mixed = true;
        }
    }
}

impl Pace {
    fn span(self, slots: u64) -> Duration {
        let nanos = self.interval.as_nanos() * u128::from(slots);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn within(self) -> Duration {
        WITHIN.max(WITHIN_SLOTS * self.interval)
    }
}

impl Trouble {
    pub(crate) fn new(due: Instant) -> Box<Self> {
        Box::new(Self {
            evidence: Evidence::default(),
            last: due,
            bad: Chain::new(due),
            late: Chain::new(due),
            run: None,
            slow: None,
            scattered: Recent::new(),
            retransmissions: Recent::new(),
            missed: (due, 0),
            open: None,
            is_settled: false,
            asks: false,
        })
    }

    /// A slot, or several up to `last`, was lost or late by a retransmission.
    fn add_bad(&mut self, due: Instant, last: Instant) {
        if self.bad.add(due, last) && self.open.is_none() {
            self.evidence.restart();
        }
        self.last = self.last.max(last);
    }

    pub(crate) fn lost(&mut self, slots: Lost, pace: Pace) {
        let end = slots.due + pace.span(slots.slots.saturating_sub(1));
        self.add_bad(slots.due, end);
        self.asks = slots.ground == Ground::Silent && self.evidence.asks_again();
        if let Some(open) = &mut self.open {
            open.lose(slots, end);
        } else {
            self.lost_before(slots, end, pace);
        }
        if let Some(open) = &mut self.open
            && slots.answered_after > 0
            && self.bad.last() == end
        {
            let answered = u32::try_from(slots.answered_after).unwrap_or(u32::MAX);
            open.answered = Some((end + pace.interval, answered));
        }
    }

    /// Slots were lost, and there is no episode so far.
    fn lost_before(&mut self, lost: Lost, end: Instant, pace: Pace) {
        let Lost {
            due, slots, ground, ..
        } = lost;
        let run = self
            .run
            .take_if(|run| due <= run.last + 3 * pace.interval / 2);
        let mut run = run.unwrap_or_else(|| Run {
            first: due,
            last: end,
            slots: 0,
            tally: Tally::default(),
        });
        run.first = run.first.min(due);
        run.last = run.last.max(end);
        run.slots += slots;
        run.tally.add(ground, slots);
        self.run = Some(run);
        let is_missed = run.tally.is_only(Ground::OwnHost);
        let span = run.last.saturating_duration_since(run.first) + pace.interval;
        let is_certain = matches!(ground, Ground::Refused | Ground::Reset | Ground::Dns);
        if (run.slots >= MIN_LOST || is_certain) && !(is_missed && span < MIN_MISSED) {
            self.open = Some(Open {
                slots_lost: run.slots,
                tally: run.tally,
                ..Open::new(run.first)
            });
        } else if is_missed {
            self.missed(due, slots, pace);
        } else {
            self.scattered.push(due);
            if let Some(began) = self.scattered.first_within(pace.within()) {
                self.open = Some(Open::mixed(began, ground, SCATTERED as u64));
            }
        }
    }

    /// The host missed a few slots.
    fn missed(&mut self, due: Instant, slots: u64, pace: Pace) {
        self.evidence.has_overrun = true;
        let (since, missed) = &mut self.missed;
        if due.saturating_duration_since(*since) > pace.within() {
            (*since, *missed) = (due, 0);
        }
        *missed += slots;
        let (since, missed) = (*since, *missed);
        if missed >= MIN_LOST && pace.span(missed) >= MIN_MISSED_IN_ALL {
            self.open = Some(Open::mixed(since, Ground::OwnHost, missed));
        }
    }

    /// A reply was slow, and there is no episode so far.
    pub(crate) fn slow(&mut self, due: Instant, excess: Duration) {
        let is_first = self.slow.is_none_or(|slow| slow.usual > 0);
        if self.slow.is_none() {
            self.evidence.restart_slow();
        }
        if excess >= RETRANSMISSION {
            self.add_bad(due, due);
            if is_first {
                self.retransmissions.push(due);
            }
        }
        self.late.add(due, due);
        self.last = self.last.max(due);
        self.evidence.slow(excess);
        let slow = self.slow.get_or_insert(Slow {
            first: due,
            replies: 0,
            slots: 0,
            usual: 0,
        });
        slow.replies += 1;
        slow.slots += 1;
        slow.usual = 0;
    }

    /// A reply was not slow, and there is no episode so far. Returns whether the trouble is over.
    pub(crate) fn usual(&mut self, due: Instant, pace: Pace) -> bool {
        if let Some(slow) = &mut self.slow {
            slow.slots += 1;
            slow.usual += 1;
            if slow.usual >= MIN_ANSWERED {
                self.slow = None;
            }
        }
        due.saturating_duration_since(self.last) > pace.within()
    }

    pub(crate) const fn is_episode(&self) -> bool {
        self.open.is_some()
    }

    /// When the episode began, or what may become one.
    pub(crate) fn began(&self) -> Instant {
        self.open.map_or(self.bad.first, |open| open.began)
    }

    /// Begins an episode if enough replies were slow.
    pub(crate) fn begin_slow(&mut self, usual: &Usual, pace: Pace) -> Option<Episode> {
        let mut began = None;
        if let Some(slow) = self.slow
            && slow.replies >= MIN_SLOW
            && slow.replies >= slow.slots / 4 * 3
            && self.last.saturating_duration_since(slow.first) >= MIN_SLOW_SPAN
        {
            let course = Course {
                tally: Tally::default(),
                is_mixed: false,
                usual: usual.get(),
            };
            if self.evidence.slow_cause(&course).is_some() {
                began = Some((slow.first, false));
            }
        } else if let Some(first) = self.retransmissions.first_within(pace.within())
            && self.evidence.has_loss()
        {
            began = Some((first, true));
        } else if let Some(first) = self.evidence.loses_since(pace.within()) {
            began = Some((first.max(self.late.first), true));
        }
        let (began, is_mixed) = began?;
        self.open = Some(Open {
            is_slow: true,
            is_mixed,
            ..Open::new(began)
        });
        self.report(usual)
    }

    /// A slot was answered during an episode.
    pub(crate) fn answered(
        &mut self,
        due: Instant,
        rtt: Duration,
        usual: &Usual,
    ) -> Option<Episode> {
        let open = self.open.as_mut()?;
        if due < open.began {
            return None;
        }
        let is_slow = if open.is_slow {
            !usual.is_back(rtt)
        } else {
            usual.is_slow(rtt)
        };
        let excess = usual.excess(rtt);
        let is_bad = match open.cause {
            // What else is slow is so for a loss that a reading will tell, or since TCP is still
            // careful after one.
            Some(Cause::PacketLoss) => is_slow && excess >= RETRANSMISSION,
            _ => is_slow && (open.is_slow || open.is_mixed),
        };
        if is_slow {
            self.evidence.slow(excess);
            self.late.add(due, due);
        }
        if is_bad {
            open.is_mixed |= open
                .answered
                .is_some_and(|(_, slots)| slots >= MIN_ANSWERED);
            open.answered = None;
            self.last = self.last.max(due);
            if open.is_slow && due.saturating_duration_since(open.began) >= MAX_SLOW {
                return self.settle(due, usual);
            }
            return self.report(usual);
        }
        let (first, slots) = open.answered.unwrap_or((due, 0));
        open.answered = Some((first, slots + 1));
        let passed = due.saturating_duration_since(first);
        if is_slow {
            // It has ended, and is told once replies are as usual.
            if passed >= MAX_SLOW {
                return self.settle(first, usual);
            }
            return self.report(usual);
        }
        let calm = if open.is_mixed { CALM_IF_MIXED } else { CALM };
        if slots + 1 >= MIN_ANSWERED && passed >= calm {
            return self.end(first, usual);
        }
        self.report(usual)
    }

    /// Replies are slow for so long that they are the usual ones.
    fn settle(&mut self, ended: Instant, usual: &Usual) -> Option<Episode> {
        self.is_settled = true;
        self.end(ended, usual)
    }

    /// Segments were lost since the last reading: what was slow was so for that.
    pub(crate) fn lose_again(&mut self, pace: Pace) {
        let last = self.late.last();
        if let Some(open) = &mut self.open
            && open.cause == Some(Cause::PacketLoss)
            && open.answered.is_some_and(|(first, _)| first <= last)
        {
            open.is_mixed = true;
            open.answered = Some((last + pace.interval, 1));
        }
    }

    fn end(&mut self, ended: Instant, usual: &Usual) -> Option<Episode> {
        let last = self.report(usual);
        let open = self.open.as_ref()?;
        let began = last.map_or(open.began, |episode| episode.began);
        Some(Episode {
            began,
            ended: Some(ended.max(began)),
            cause: open.cause.unwrap_or(Cause::Unknown),
            slots_lost: open.slots_lost,
        })
    }

    /// Returns the episode if its cause is another than before.
    pub(crate) fn report(&mut self, usual: &Usual) -> Option<Episode> {
        let open = self.open.as_mut()?;
        let course = Course {
            tally: open.tally,
            is_mixed: open.is_mixed,
            usual: usual.get(),
        };
        let few = u64::from(self.evidence.slow_replies).div_ceil(4);
        let cause = if open.is_slow && open.slots_lost < few {
            let cause = self.evidence.slow_cause(&course);
            cause.or(open.cause).unwrap_or(Cause::Unknown)
        } else {
            self.evidence.cause(&course)
        };
        if cause == Cause::PacketLoss {
            open.is_mixed = true;
            open.began = open.began.min(self.bad.first);
        }
        if open.cause.replace(cause) == Some(cause) {
            return None;
        }
        Some(Episode {
            began: open.began,
            ended: None,
            cause,
            slots_lost: open.slots_lost,
        })
    }
}
