//! What tells the cause of an episode.

use std::time::{Duration, Instant};

use crate::{Cause, Excess, TcpInfo};

/// How the connection was when a slot was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// There was a connection, and nothing came back.
    Silent,
    /// An attempt to connect got no answer, or that the peer can't be reached.
    NoAnswer,
    /// An attempt to connect was refused.
    Refused,
    /// The peer has ended the connection.
    Reset,
    /// The name did not resolve.
    Dns,
    /// The prober's own host missed the slot.
    OwnHost,
    /// Anything else.
    Other,
}

const GROUNDS: usize = Ground::Other as usize + 1;

/// The slots lost on each ground.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally([u64; GROUNDS]);

impl Tally {
    pub(crate) fn add(&mut self, ground: Ground, slots: u64) {
        self.0[ground as usize] += slots;
    }

    const fn of(&self, ground: Ground) -> u64 {
        self.0[ground as usize]
    }

    pub(crate) fn is_only(&self, ground: Ground) -> bool {
        self.of(ground) == self.0.iter().sum::<u64>()
    }
}

/// Where the first late reply after a silence was for most of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delayed {
    Peer,
    Reverse,
    /// Neither, or it can't be told.
    Elsewhere,
}

/// A reading of `TCP_INFO`, of a connection from which nothing comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) silent_since: Option<Instant>,
    /// How long a silence has to be to tell anything.
    pub(crate) least: Duration,
    /// Segments lost on the way, in both directions and over all connections.
    pub(crate) lost: u64,
}

/// So many readings with so many new losses are more than chance.
const LOSSY: usize = 3;
const MIN_LOSSES: u64 = 2;
/// A reading tells what was since the one before.
const READING: Duration = Duration::from_secs(1);

/// So often a reading is asked for, one at each lost slot.
const MAX_ASKED: u8 = 8;

/// An acknowledgement that came this long after the silence began is for a probe in it.
const ACK_AFTER: Duration = Duration::from_millis(20);

/// What was seen since the first slot that was lost or slow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// Readings in a silence, by whether the peer's kernel acknowledges.
    acknowledged: u32,
    unacknowledged: u32,
    /// Segments that had arrived at the last such reading without acknowledgements.
    segments: Option<u32>,
    /// Segments came, and acknowledged nothing: the peer sends again what it gets no
    /// acknowledgement for.
    is_forward: bool,
    /// Segments arrived after others that were lost, here or at the peer.
    has_gaps: bool,
    out_of_order: Option<u32>,
    /// Segments lost on the way, at the first reading and at the last.
    lost: Option<(u64, u64)>,
    /// The last readings with new losses.
    losses: [Option<Instant>; LOSSY],
    /// The largest round-trip time of the kernel's own, since replies are slow.
    srtt: Option<Duration>,
    pub(crate) first_late: Option<Delayed>,
    /// Readings in a silence that were asked for.
    asked: u8,
    /// The first and the last late reply, and their number.
    late: Option<(Instant, Instant)>,
    lates: u64,
    /// What slow replies had above the usual RTT, and how many there were.
    slow: Duration,
    pub(crate) slow_replies: u32,
    parts: Excess,
    /// Whether the host has missed slots.
    pub(crate) has_overrun: bool,
}

/// How an episode went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub(crate) tally: Tally,
    /// Replies came between what was lost.
    pub(crate) is_mixed: bool,
    pub(crate) usual: Duration,
}

/// Without stamps of the peer, a rise of the RTT is that of its process if the kernel's own RTT
/// stays behind by more than this: the peer's kernel delays an acknowledgement by 40 ms.
const DELAYED_ACK: Duration = Duration::from_millis(60);

/// A host that takes less above the usual is busy, and no more than that.
const MIN_HOST_DELAY: Duration = Duration::from_millis(50);

/// Late replies over a longer time than this come one by one: nothing held them up all at once.
const STEADY: Duration = Duration::from_secs(1);

impl Evidence {
    /// The counts of the next readings are those of another connection.
    pub(crate) fn on_connected(&mut self) {
        self.segments = None;
        self.out_of_order = None;
    }

    /// Another silence begins.
    pub(crate) fn on_reply(&mut self) {
        self.segments = None;
    }

    /// What is lost or slow from now on has nothing to do with what was before.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            out_of_order: self.out_of_order,
            losses: self.losses,
            lost: self.lost.map(|(_, last)| (last, last)),
            ..Self::default()
        };
    }

    /// Replies become slow.
    pub(crate) fn restart_slow(&mut self) {
        self.srtt = None;
        self.slow = Duration::ZERO;
        self.slow_replies = 0;
        self.parts = Excess::default();
    }

    /// Returns whether segments were lost since the last reading.
    pub(crate) fn read(&mut self, info: &TcpInfo, reading: Reading) -> bool {
        self.srtt = self.srtt.max(Some(info.srtt));
        self.has_gaps |= info.sacked.is_some_and(|sacked| sacked > 0);
        let mut losses = 0;
        if let Some(now) = info.out_of_order {
            let before = self.out_of_order.replace(now).unwrap_or(now);
            losses += u64::from(now.wrapping_sub(before));
            self.has_gaps |= now != before;
        }
        let (first, before) = self.lost.unwrap_or((reading.lost, reading.lost));
        self.lost = Some((first, reading.lost));
        losses += reading.lost.saturating_sub(before);
        if losses >= MIN_LOSSES {
            self.losses.rotate_left(1);
            self.losses[LOSSY - 1] = Some(reading.at);
        }
        if let Some((since, acked)) = reading.silent_since.zip(info.since_ack) {
            self.read_silent(info, &reading, since, acked);
        }
        losses > 0
    }

    /// Nothing has come back since then, and the last acknowledgement was so long ago.
    fn read_silent(&mut self, info: &TcpInfo, reading: &Reading, since: Instant, acked: Duration) {
        if reading.at.saturating_duration_since(since) < reading.least {
            return;
        }
        let acked_at = reading.at.checked_sub(acked);
        if acked_at.is_some_and(|at| at > since + ACK_AFTER) {
            self.acknowledged += 1;
            return;
        }
        self.unacknowledged += 1;
        if let Some(now) = info.received_segments {
            self.is_forward |= self.segments.is_some_and(|before| before != now);
            self.segments = Some(now);
        }
    }

    /// Whether another reading may tell why nothing comes back.
    pub(crate) fn asks_again(&mut self) -> bool {
        self.asked = self.asked.saturating_add(1);
        self.asked <= MAX_ASKED
    }

    /// A reply came after its timeout.
    pub(crate) fn late(&mut self, at: Instant, delayed: Option<Delayed>) {
        if self.first_late.is_none() {
            self.first_late = delayed;
        }
        let (first, _) = self.late.unwrap_or((at, at));
        self.late = Some((first, at));
        self.lates += 1;
    }

    /// A reply was slow, by this much.
    pub(crate) fn slow(&mut self, excess: Duration) {
        self.slow = self.slow.saturating_add(excess);
        self.slow_replies = self.slow_replies.saturating_add(1);
    }

    pub(crate) fn parts(&mut self, excess: &Excess) {
        let sum = &mut self.parts;
        for (sum, part) in [
            (&mut sum.prober, excess.prober),
            (&mut sum.forward, excess.forward),
            (&mut sum.peer, excess.peer),
            (&mut sum.reverse, excess.reverse),
        ] {
            *sum = sum.saturating_add(part);
        }
    }

    /// Whether a loss of packets was seen: more than one of twenty slow replies may be due to.
    pub(crate) fn has_loss(&self) -> bool {
        let lost = self
            .lost
            .map_or(0, |(first, last)| last.saturating_sub(first));
        self.has_gaps || lost > u64::from(self.slow_replies) / 20
    }

    /// Since when segments are lost again and again, if the last readings within this span tell so.
    pub(crate) fn loses_since(&self, span: Duration) -> Option<Instant> {
        let (first, last) = (self.losses[0]?, self.losses[LOSSY - 1]?);
        let is_within = last.saturating_duration_since(first) <= span;
        is_within.then(|| first.checked_sub(READING).unwrap_or(first))
    }

    /// The cause of an episode in which slots were lost: that of most of them.
    pub(crate) fn cause(&self, course: &Course) -> Cause {
        let tally = &course.tally;
        let blackhole = self.blackhole();
        let silent = self.silent(course);
        let mut slots = [
            (Cause::Refused, tally.of(Ground::Refused)),
            (Cause::Dns, tally.of(Ground::Dns)),
            (Cause::Reset, tally.of(Ground::Reset)),
            (Cause::OwnHost, tally.of(Ground::OwnHost)),
            (silent, tally.of(Ground::Silent)),
            (blackhole, tally.of(Ground::NoAnswer)),
            (Cause::Unknown, tally.of(Ground::Other)),
        ];
        if silent == blackhole {
            slots[4].1 += slots[5].1;
        }
        let most = slots.iter().rev().max_by_key(|(_, slots)| *slots);
        most.map_or(Cause::Unknown, |(cause, _)| *cause)
    }

    /// The cause of slots lost while there was a connection.
    fn silent(&self, course: &Course) -> Cause {
        let is_steady = self
            .late
            .is_some_and(|(first, last)| last.saturating_duration_since(first) >= STEADY)
            && self.lates * 2 >= course.tally.of(Ground::Silent);
        if self.has_gaps || (course.is_mixed && self.has_loss()) {
            Cause::PacketLoss
        } else if self.acknowledged > self.unacknowledged || self.first_late == Some(Delayed::Peer)
        {
            Cause::PeerStalled
        } else if is_steady && self.lost.is_some() && !self.has_loss() {
            Cause::Queueing
        } else if self.unacknowledged > 0 || self.first_late == Some(Delayed::Reverse) {
            self.blackhole()
        } else if course.tally.of(Ground::NoAnswer) > 0 {
            Cause::Blackhole
        } else {
            Cause::Unknown
        }
    }

    fn blackhole(&self) -> Cause {
        if self.is_forward {
            Cause::BlackholeForward
        } else if self.first_late == Some(Delayed::Reverse) {
            Cause::BlackholeReverse
        } else {
            Cause::Blackhole
        }
    }

    /// The cause of an episode of slow replies, if it is none of a host that is a bit busy.
    pub(crate) fn slow_cause(&self, course: &Course) -> Option<Cause> {
        let Excess {
            prober,
            forward,
            peer,
            reverse,
        } = self.parts;
        let ways = forward.saturating_add(reverse);
        let mean = self.slow / self.slow_replies.max(1);
        let by_host = |cause| (mean >= MIN_HOST_DELAY).then_some(cause);
        if self.has_loss() {
            Some(Cause::PacketLoss)
        } else if prober > ways && prober > peer {
            by_host(Cause::OwnHost)
        } else if peer > ways {
            by_host(Cause::PeerStalled)
        } else if !ways.is_zero() {
            Some(Cause::Queueing)
        } else if self.has_overrun {
            by_host(Cause::OwnHost)
        } else {
            let own = course.usual.saturating_add(mean);
            let is_behind =
                |srtt: Duration| srtt.saturating_add(DELAYED_ACK) < own && srtt < own / 2;
            if self.srtt.is_some_and(is_behind) {
                by_host(Cause::PeerStalled)
            } else {
                Some(Cause::Queueing)
            }
        }
    }
}
