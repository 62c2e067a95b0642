//! The delay above its minimum, by part of the round trip.

use std::mem::take;
use std::time::Duration;

use serde::Serialize;
use tcp_echo_prober::Excess;

use super::values::{Values, mean};

/// Significant figures: a percentile is within 1 %.
const FIGURES: u8 = 2;

/// A part of a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// The prober's own host.
    Prober,
    /// The way from the prober to the peer.
    Forward,
    /// The peer's host.
    Peer,
    /// The way back.
    Reverse,
}

impl Part {
    /// All parts, in the order of the round trip as the report shows it.
    pub(super) const ALL: [Self; 4] = [Self::Prober, Self::Forward, Self::Peer, Self::Reverse];

    const fn of(self, excess: &Excess) -> Duration {
        match self {
            Self::Prober => excess.prober,
            Self::Forward => excess.forward,
            Self::Peer => excess.peer,
            Self::Reverse => excess.reverse,
        }
    }
}

/// The delays of one target, of replies that a peer has stamped.
#[derive(Clone, Debug)]
pub(super) struct ExcessDelays {
    parts: [Delays; Part::ALL.len()],
    count: u64,
    /// How many counted replies of the current read have not been split yet.
    awaited: u64,
    /// Whether replies have been split since the last one was received.
    is_split: bool,
}

/// The delays of one part.
#[derive(Clone, Debug)]
struct Delays {
    values: Values,
    total: Duration,
    max: Duration,
}

/// Figures of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) mean: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl ExcessDelays {
    /// For RTTs up to `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        let part = |_| Delays {
            values: Values::up_to(limit, FIGURES),
            total: Duration::ZERO,
            max: Duration::ZERO,
        };
        Self {
            parts: Part::ALL.map(part),
            count: 0,
            awaited: 0,
            is_split: false,
        }
    }

    /// A reply was received. The replies of a read come first, and then their parts in the same
    /// order; those of replies that are not counted are ignored.
    #[inline]
    pub(super) fn on_received(&mut self, is_counted: bool) {
        if take(&mut self.is_split) {
            self.awaited = 0;
        }
        self.awaited += u64::from(is_counted);
    }

    /// Records the parts of the next reply.
    #[inline]
    pub(super) fn record(&mut self, excess: &Excess) {
        self.is_split = true;
        let Some(awaited) = self.awaited.checked_sub(1) else {
            return;
        };
        self.awaited = awaited;
        self.count += 1;
        for (delays, part) in self.parts.iter_mut().zip(Part::ALL) {
            let delay = part.of(excess);
            delays.values.record(delay);
            delays.total += delay;
            delays.max = delays.max.max(delay);
        }
    }

    /// Adds the delays of another flow of the same target.
    pub(super) fn add(&mut self, other: &Self) {
        for (delays, other) in self.parts.iter_mut().zip(&other.parts) {
            delays.values.add(&other.values);
            delays.total += other.total;
            delays.max = delays.max.max(other.max);
        }
        self.count += other.count;
    }

    /// The number of replies.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The figures of each part, in the order of [`Part::ALL`]; `None` without any reply.
    pub(super) fn figures(&self) -> Option<[Figures; Part::ALL.len()]> {
        (self.count > 0).then(|| {
            self.parts.each_ref().map(|delays| Figures {
                mean: mean(delays.total, self.count),
                p99: delays.values.quantile(0.99).min(delays.max),
                max: delays.max,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn millis(forward: u64, peer: u64) -> Excess {
        Excess {
            forward: Duration::from_millis(forward),
            peer: Duration::from_millis(peer),
            ..Excess::default()
        }
    }

    #[test]
    fn each_part_has_its_own_figures() {
        let mut delays = ExcessDelays::new(SECOND);
        assert_eq!(delays.figures(), None);
        for delay in 1..=200 {
            delays.on_received(true);
            delays.record(&millis(delay, 7));
        }
        let [prober, forward, peer, reverse] = delays.figures().unwrap();
        assert_eq!((prober.max, reverse.max), (Duration::ZERO, Duration::ZERO));
        assert_eq!(forward.mean, Duration::from_micros(100_500));
        let p99 = forward.p99.as_secs_f64();
        assert!((p99 - 0.198).abs() < 0.002, "{p99}");
        assert_eq!(forward.max, Duration::from_millis(200));
        // A percentile is within 1 %, and never above the maximum.
        assert_eq!((peer.mean, peer.max), (peer.p99, peer.p99));
    }

    #[test]
    fn parts_of_replies_that_are_not_counted_are_ignored() {
        let mut delays = ExcessDelays::new(SECOND);
        // Three replies in one read, of which two are counted.
        for is_counted in [true, true, false] {
            delays.on_received(is_counted);
        }
        for forward in [10, 20, 600] {
            delays.record(&millis(forward, 0));
        }
        // A reply without parts, and then only replies that are not counted.
        delays.on_received(true);
        delays.record(&millis(30, 0));
        delays.on_received(true);
        delays.on_received(true);
        delays.record(&millis(40, 0));
        delays.on_received(false);
        delays.record(&millis(900, 0));
        let [_, forward, _, _] = delays.figures().unwrap();
        assert_eq!(forward.mean, Duration::from_millis(25));
        assert_eq!(forward.max, Duration::from_millis(40));
    }

    #[test]
    fn a_delay_above_the_bound_is_counted() {
        let mut delays = ExcessDelays::new(Duration::from_millis(1));
        delays.on_received(true);
        delays.record(&millis(3000, 0));
        let [_, forward, _, _] = delays.figures().unwrap();
        assert_eq!((forward.mean, forward.max), (3 * SECOND, 3 * SECOND));
    }
}
