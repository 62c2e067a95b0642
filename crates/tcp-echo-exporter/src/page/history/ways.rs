//! What is known of both ways in one step: the delay of each part of the round trips, and the
//! segments of each direction.

use tcp_echo_prober::Direction;

use super::steps::{push_number, take_number};
use crate::metrics::layout::PARTS;

/// What is known of both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// The number of replies whose round trip was split into its parts.
    pub(crate) split: u32,
    /// The sum of the excess of each of [`PARTS`] in these, in microseconds.
    pub(crate) excess: [u64; PARTS.len()],
    /// The segments of each [`Direction`].
    pub(crate) segments: [Segments; 2],
}

/// The data segments of one direction: none where nothing is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segments {
    pub(crate) sent: u32,
    pub(crate) lost: u32,
}

/// The unit of a packed mean excess, in microseconds.
const UNIT: u64 = 10;

/// A mean excess below this is packed as none, in [`UNIT`]s.
const LEAST: u64 = 10;

/// The largest number of three bytes.
const MAX: u32 = (1 << 21) - 1;

// The first byte of packed ways: a bit for each part whose mean excess follows, and these.
const IS_SPLIT: u8 = 1 << 4;
const HAS_REVERSE: u8 = 1 << 5;
/// And the next bit, for the other direction: two numbers follow.
const HAS_SEGMENTS: u8 = 1 << 6;

impl Ways {
    pub(crate) const fn of(&self, direction: Direction) -> Segments {
        self.segments[direction as usize]
    }

    /// Adds those of another step.
    pub(crate) fn add(&mut self, other: &Self) {
        self.split = self.split.saturating_add(other.split);
        for (own, other) in self.excess.iter_mut().zip(other.excess) {
            *own = own.saturating_add(other);
        }
        for (own, other) in self.segments.iter_mut().zip(other.segments) {
            own.sent = own.sent.saturating_add(other.sent);
            own.lost = own.lost.saturating_add(other.lost);
        }
    }

    /// Returns the mean excess of each of [`PARTS`], in seconds; `None` without a reply that was
    /// split.
    pub(crate) fn mean_excess(&self) -> Option<[f64; PARTS.len()]> {
        let mean = |sum: u64| sum as f64 / 1e6 / f64::from(self.split);
        (self.split > 0).then(|| self.excess.map(mean))
    }
}

/// [`Ways`] in few bytes: none if they are usual, and one if nothing is wrong either way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PackedWays {
    /// Which of the numbers there are.
    first: u8,
    /// The mean excess of each of [`PARTS`], in [`UNIT`]s.
    means: [u32; PARTS.len()],
    segments: [Segments; 2],
}

impl PackedWays {
    /// Packs the ways of a step with this number of replies.
    pub(super) fn new(ways: &Ways, received: u32) -> Self {
        let mut packed = Self::default();
        if ways.split > 0 {
            packed.first |= IS_SPLIT;
        }
        if ways.of(Direction::Reverse).sent > 0 {
            packed.first |= HAS_REVERSE;
        }
        for (part, sum) in ways.excess.into_iter().enumerate() {
            let mean = sum / UNIT / u64::from(ways.split.max(1));
            if mean >= LEAST {
                packed.first |= 1 << part;
                packed.means[part] = u32::try_from(mean).unwrap_or(MAX).min(MAX);
            }
        }
        for (direction, Segments { sent, lost }) in ways.segments.into_iter().enumerate() {
            if !(Segments { sent, lost }).are_usual(received) {
                packed.first |= HAS_SEGMENTS << direction;
                let (sent, lost) = (sent.min(MAX), lost.min(MAX));
                packed.segments[direction] = Segments { sent, lost };
            }
        }
        packed
    }

    /// Returns whether these ways take no bytes.
    pub(super) const fn is_empty(&self) -> bool {
        self.first == 0
    }

    pub(super) fn push(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.first);
        for mean in self.means.into_iter().filter(|mean| *mean > 0) {
            push_number(bytes, mean);
        }
        for (direction, Segments { sent, lost }) in self.segments.into_iter().enumerate() {
            if self.has(HAS_SEGMENTS << direction) {
                push_number(bytes, sent);
                push_number(bytes, lost);
            }
        }
    }

    /// Reads what was pushed.
    pub(super) fn take(bytes: &mut impl Iterator<Item = u8>) -> Self {
        let mut packed = Self {
            first: bytes.next().unwrap_or(0),
            ..Self::default()
        };
        for part in 0..PARTS.len() {
            if packed.has(1 << part) {
                packed.means[part] = take_number(bytes);
            }
        }
        for direction in 0..2 {
            if packed.has(HAS_SEGMENTS << direction) {
                let [sent, lost] = std::array::from_fn(|_| take_number(bytes));
                packed.segments[direction] = Segments { sent, lost };
            }
        }
        packed
    }

    /// Returns the ways of a step with this number of replies.
    pub(super) fn unpack(&self, received: u32) -> Ways {
        let split = if self.has(IS_SPLIT) {
            received.max(1)
        } else {
            0
        };
        // A probe is usually a segment.
        let usual = |sent| Segments { sent, lost: 0 };
        let reverse = if self.has(HAS_REVERSE) { received } else { 0 };
        let mut segments = [usual(received), usual(reverse)];
        for (direction, segments) in segments.iter_mut().enumerate() {
            if self.has(HAS_SEGMENTS << direction) {
                *segments = self.segments[direction];
            }
        }
        Ways {
            split,
            excess: self
                .means
                .map(|mean| u64::from(mean) * UNIT * u64::from(split)),
            segments,
        }
    }

    const fn has(&self, bit: u8) -> bool {
        self.first & bit != 0
    }
}

impl Segments {
    /// Returns the lost fraction; `None` if nothing was sent.
    pub(crate) fn loss(self) -> Option<f64> {
        (self.sent > 0).then(|| (f64::from(self.lost) / f64::from(self.sent)).min(1.0))
    }

    /// Returns whether nothing was lost, and about as many were sent as replies arrived.
    const fn are_usual(self, received: u32) -> bool {
        let Self { sent, lost } = self;
        lost == 0 && (sent == 0 || (sent / 2 <= received && received / 2 <= sent && received > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(ways: &Ways, received: u32) -> (usize, Ways) {
        let packed = PackedWays::new(ways, received);
        let mut bytes = Vec::new();
        if !packed.is_empty() {
            packed.push(&mut bytes);
            let back = PackedWays::take(&mut bytes.iter().copied());
            assert_eq!(back, packed);
        }
        (bytes.len(), packed.unpack(received))
    }

    #[test]
    fn ways_take_bytes_where_something_is_wrong() {
        let segments = |sent, lost| Segments { sent, lost };
        let clear = Ways {
            split: 50,
            excess: [0; 4],
            segments: [segments(50, 0); 2],
        };
        let slow = Ways {
            excess: [0, 0, 0, 50 * 20_000],
            ..clear
        };
        let lossy = Ways {
            segments: [segments(52, 2), segments(50, 0)],
            ..slow
        };
        let all = Ways {
            excess: [50 * 30_000; 4],
            segments: [segments(300, 20); 2],
            ..clear
        };
        let echo = PackedWays::default().unpack(50);
        let echo_lossy = Ways {
            segments: [segments(52, 2), segments(0, 0)],
            ..echo
        };
        for (ways, bytes) in [
            (echo, 0),
            (clear, 1),
            (slow, 3),
            (lossy, 5),
            (all, 15),
            (echo_lossy, 3),
        ] {
            assert_eq!(packed(&ways, 50), (bytes, ways));
        }
    }

    #[test]
    fn little_excess_and_few_more_segments_are_none() {
        let noisy = Ways {
            split: 10,
            excess: [990, 1_010, 0, 12_345],
            segments: [
                Segments { sent: 19, lost: 0 },
                Segments { sent: 6, lost: 0 },
            ],
        };
        let (bytes, back) = packed(&noisy, 10);
        assert_eq!((bytes, back.excess), (3, [0, 1_000, 0, 12_300]));
        assert_eq!(back.segments.map(|segments| segments.sent), [10, 10]);
        let dense = Ways {
            segments: [Segments { sent: 4, lost: 0 }; 2],
            ..noisy
        };
        assert_eq!(packed(&dense, 10).1.segments, dense.segments);
    }

    #[test]
    fn means_and_losses_are_those_of_all_added_steps() {
        let step = |split, millis, sent, lost| Ways {
            split,
            excess: [0, u64::from(split) * millis * 1_000, 0, 0],
            segments: [Segments { sent, lost }, Segments::default()],
        };
        let mut sum = step(10, 20, 12, 3);
        sum.add(&step(30, 0, 28, 0));
        assert_eq!(sum.mean_excess(), Some([0.0, 0.005, 0.0, 0.0]));
        assert_eq!(sum.of(Direction::Forward).loss(), Some(0.075));
        assert_eq!(sum.of(Direction::Reverse).loss(), None);
        assert_eq!(Ways::default().mean_excess(), None);
    }
}
