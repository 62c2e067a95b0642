//! Where the time of a round trip goes.

use std::time::{Duration, Instant};

use tcp_echo_wire::PeerStamp;

use crate::{evidence::Delayed, peer_clock::PeerClock};

/// How much longer each part of one round trip took than its minimum of the recent past.
///
/// The four add up to the excess of the round trip from the write of the probe to the read of its
/// reply. The clocks of prober and peer need not agree. A difference between the two ways that never
/// changes can't be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excess {
    /// The prober's own host: the reply waited to be read.
    pub prober: Duration,
    /// The way from the prober to the peer.
    pub forward: Duration,
    /// The peer's host: the probe waited to be read, and its echo to be written.
    pub peer: Duration,
    /// The way back.
    pub reverse: Duration,
}

/// One reply, and when it and its probe were where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) sent: Instant,
    /// From the write of the probe to the arrival of the reply.
    pub(crate) rtt: Duration,
    /// How long the reply waited to be read.
    pub(crate) host_delay: Duration,
    pub(crate) peer: PeerStamp,
}

/// Splits round trips into their parts.
///
/// Replies that are read at once are judged together: the kernel keeps only the stamp of
/// the last segment that it received, so for the others it is an upper bound, here and at the
/// peer. How the last one came tells what happened. If it was fast on its way and waited to be
/// read, the reader was not there, and the others waited longer for the same reason. If it was slow
/// on its way, the network held them all.
#[derive(Clone, Debug)]
pub(crate) struct Delays {
    epoch: Instant,
    clock: Option<PeerClock>,
    /// Of the round trip without the times at prober and peer.
    min_net: MovingMin,
    min_peer: MovingMin,
    min_prober: MovingMin,
    /// The replies of the current read, or of the last one.
    batch: Vec<Parts>,
    /// Whether the read has ended, and how many of its replies were taken since.
    ended: Option<usize>,
}

/// The parts of one round trip above their minima, in nanoseconds; upper bounds for the ways
/// if other replies were read with it.
#[derive(Clone, Copy, Debug)]
struct Parts {
    prober: i64,
    forward: i64,
    peer: i64,
    reverse: i64,
    received: u64,
    is_merged: bool,
}

/// How many replies of one read are kept.
const MAX_BATCH: usize = 256;

impl Delays {
    pub(crate) const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            clock: None,
            min_net: MovingMin::NEW,
            min_peer: MovingMin::NEW,
            min_prober: MovingMin::NEW,
            batch: Vec::new(),
            ended: None,
        }
    }

    /// Records a reply of the current read.
    pub(crate) fn record(&mut self, trip: RoundTrip) {
        let Some(residence) = trip.peer.residence else {
            return;
        };
        if self.ended.take().is_some() {
            self.batch.clear();
        }
        if self.batch.len() == MAX_BATCH {
            return;
        }
        let residence = nanos(residence);
        // The first probes are older than the answer to the hello.
        let sent = nanos(trip.sent.saturating_duration_since(self.epoch))
            - nanos(self.epoch.saturating_duration_since(trip.sent));
        let rtt = nanos(trip.rtt);
        let at = sent + rtt;
        // A peer that lies may say more than there is.
        let net = rtt.saturating_sub(residence).max(0);
        let min_net = self.min_net.record(at, net);
        let received = trip.peer.received.cast_signed();
        let difference = received.wrapping_sub(sent);
        let clock = self
            .clock
            .get_or_insert_with(|| PeerClock::new(at, difference));
        let forward = clock.way_there(at, difference, net, min_net);
        let host_delay = nanos(trip.host_delay);
        if self.batch.capacity() == 0 {
            self.batch.reserve_exact(1);
        }
        self.batch.push(Parts {
            prober: host_delay - self.min_prober.record(at, host_delay),
            forward,
            peer: residence - self.min_peer.record(at, residence),
            reverse: net - min_net - forward,
            received: trip.peer.received,
            is_merged: trip.peer.is_merged,
        });
    }

    /// Where a probe that was sent at `sent` spent most of its time, whose reply came after its
    /// timeout. It is no sample of the clocks. `None` without a stamp of its own.
    pub(crate) fn judge_late(
        &self,
        sent: Instant,
        rtt: Duration,
        peer: PeerStamp,
    ) -> Option<Delayed> {
        let clock = self.clock.as_ref()?;
        let residence = peer.residence?;
        if peer.is_merged {
            return None;
        }
        let sent = nanos(sent.saturating_duration_since(self.epoch));
        let difference = peer.received.cast_signed().wrapping_sub(sent);
        let forward = clock.above(sent, difference).max(0).unsigned_abs();
        Some(if residence >= rtt / 2 {
            Delayed::Peer
        } else if Duration::from_nanos(forward) <= rtt / 4 && residence <= rtt / 4 {
            Delayed::Reverse
        } else {
            Delayed::Elsewhere
        })
    }

    /// The read has ended.
    #[inline]
    pub(crate) fn end_read(&mut self) {
        self.ended.get_or_insert(0);
    }

    /// Returns the next reply of the read that has ended.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Excess> {
        let taken = self.ended.as_mut()?;
        let parts = *self.batch.get(*taken)?;
        *taken += 1;
        Some(self.judge(parts).into())
    }

    /// Corrects the upper bounds of a reply by the last one of its read, here and at the peer.
    fn judge(&self, mut parts: Parts) -> Parts {
        let Some(last) = self.batch.last() else {
            return parts;
        };
        if parts.is_merged {
            let same_read = |other: &&Parts| other.received == parts.received;
            let last = self.batch.iter().rfind(same_read).unwrap_or(last);

            if last.forward <= parts.peer {
                let forward = parts.forward.min(last.forward);
                parts.peer += parts.forward - forward;
                parts.forward = forward;
            }
        }
        if last.reverse <= last.prober {
            let reverse = parts.reverse.min(last.reverse);
            parts.prober += parts.reverse - reverse;
            parts.reverse = reverse;
        }
        parts
    }
}

impl From<Parts> for Excess {
    fn from(parts: Parts) -> Self {
        let duration = |nanos: i64| Duration::from_nanos(nanos.max(0).unsigned_abs());
        Self {
            prober: duration(parts.prober),
            forward: duration(parts.forward),
            peer: duration(parts.peer),
            reverse: duration(parts.reverse),
        }
    }
}

/// The minimum of the last 5 to 10 minutes.
#[derive(Clone, Copy, Debug)]
struct MovingMin {
    current: i64,
    before: i64,
    /// When the current period began.
    since: i64,
}

const PERIOD: i64 = 5 * 60 * 1_000_000_000;

impl MovingMin {
    const NEW: Self = Self {
        current: i64::MAX,
        before: i64::MAX,
        since: 0,
    };

    /// Records a value. Returns the minimum with it.
    fn record(&mut self, at: i64, value: i64) -> i64 {
        if at - self.since >= PERIOD {
            self.before = self.current;
            self.current = i64::MAX;
            self.since = at;
        }
        self.current = self.current.min(value);
        self.current.min(self.before)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_lasts_five_to_ten_minutes() {
        let mut min = MovingMin::NEW;
        let minute = PERIOD / 5;
        assert_eq!(min.record(0, 5), 5);
        assert_eq!(min.record(minute, 9), 5);
        assert_eq!(min.record(5 * minute, 8), 5);
        assert_eq!(min.record(9 * minute, 7), 5);
        assert_eq!(min.record(10 * minute, 7), 7);
        assert_eq!(min.record(11 * minute, 3), 3);
    }
}
