//! The steps of one target, packed.
//!
//! A step begins with a byte: its length without this byte, [`HAS_OTHERS`] and [`HAS_WAYS`]. If the
//! first is set, five numbers follow (received, lost, missed, connects, disconnects), 7 bits a byte; if
//! the second is set, what is known of both ways ([`PackedWays`]), in a byte or more. The rest are the buckets that are not empty, one byte each: in the upper 4 bits how many empty ones lie before it, in
//! the lower 4 bits its count, less 1. 15 means that another byte has the number: a count there has 4
//! bits of mantissa below 4 of exponent. So a step with one reply takes 3 bytes, and one with ten takes
//! about 12.
//!
//! A step that would be longer than its limit has wider buckets: pairs of them, fours and so on, each
//! counted in its middle. Fours are what the heatmap shows.

use std::collections::VecDeque;

use super::{counts::MAX_BUCKETS, step::Step, ways::PackedWays};

/// The limit of a step's bytes, where there is room for few: with 4 or more, every step fits.
pub(super) const MIN_STEP_BYTES: usize = 12;

/// The limit of a step's bytes, where there is room for all.
pub(super) const MAX_STEP_BYTES: usize = 42;

const HAS_OTHERS: u8 = 128;
const HAS_WAYS: u8 = 64;
const LEN: u8 = HAS_WAYS - 1;
/// In 4 bits: the number is in the next byte.
const ESCAPE: u8 = 15;

/// Complete steps, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    bytes: VecDeque<u8>,
    len: u16,
}

/// How many steps, and bytes in all, a target may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) steps: usize,
    pub(super) bytes: usize,
    /// For one step.
    pub(super) step_bytes: usize,
}

impl Steps {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Returns the allocated memory in bytes.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a step, and removes the oldest ones for which there is no room.
    pub(super) fn push(&mut self, step: &Step, room: Room) {
        if room.steps == 0 {
            *self = Self::default();
            return;
        }
        let packed = pack(step, room.step_bytes);
        while self.len() >= room.steps || self.bytes.len() + packed.len() > room.bytes {
            if !self.pop() {
                break;
            }
        }
        if self.bytes.capacity() > room.bytes {
            self.bytes.shrink_to(room.bytes);
        }
        let needed = self.bytes.len() + packed.len();
        if needed > self.bytes.capacity() {
            // No more than there is room for: there are many targets.
            let capacity = (2 * needed).min(room.bytes).max(needed);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(packed);
        self.len += 1;
    }

    /// Removes the oldest step. Returns whether there was one.
    fn pop(&mut self) -> bool {
        let Some(first) = self.bytes.front() else {
            return false;
        };
        let len = usize::from(first & LEN) + 1;
        self.bytes.drain(..len.min(self.bytes.len()));
        self.len -= 1;
        true
    }

    /// Returns the last `max` steps, oldest first, or all if there are fewer.
    pub(crate) fn last(&self, max: usize) -> impl Iterator<Item = Step> {
        let skipped = self.len().saturating_sub(max);
        let mut bytes = self.bytes.iter().copied();
        (0..self.len()).filter_map(move |number| {
            let first = bytes.next()?;
            let len = usize::from(first & LEN);
            if number < skipped {
                bytes.nth(len.checked_sub(1)?);
                return None;
            }
            Some(unpack(bytes.by_ref().take(len), first))
        })
    }

    /// Returns a copy of the last `max` steps.
    pub(crate) fn tail(&self, max: usize) -> Self {
        let mut tail = Self {
            bytes: self.bytes.clone(),
            len: self.len,
        };
        while tail.len() > max {
            tail.pop();
        }
        tail
    }
}

/// Packs a step into at most `max` bytes.
fn pack(step: &Step, max: usize) -> Vec<u8> {
    let mut bytes = vec![0];
    let others = [step.lost, step.missed, step.connects, step.disconnects];
    let has_others = others.iter().any(|count| *count > 0);
    if has_others {
        for number in [step.received].iter().chain(&others) {
            push_number(&mut bytes, *number);
        }
    }
    let ways = PackedWays::new(&step.ways, step.received);
    if !ways.is_empty() {
        ways.push(&mut bytes);
    }
    let start = bytes.len();
    for shift in 0..u8::BITS {
        bytes.truncate(start);
        push_counts(&mut bytes, widened(&step.counts, shift));
        if bytes.len() <= max {
            break;
        }
    }
    let len = u8::try_from(bytes.len() - 1).unwrap_or(LEN).min(LEN);
    bytes.truncate(usize::from(len) + 1);
    bytes[0] = len;
    if has_others {
        bytes[0] |= HAS_OTHERS;
    }
    if !ways.is_empty() {
        bytes[0] |= HAS_WAYS;
    }
    bytes
}

/// Joins neighbouring buckets above the zero bucket, 2^`shift` each, in the middle of them.
fn widened(counts: &[(u8, u32)], shift: u32) -> impl Iterator<Item = (u8, u32)> {
    let wide = move |bucket: u8| match bucket.checked_sub(1) {
        None => 0,
        Some(above) => {
            let middle = 1 + (u32::from(above) >> shift << shift) + (1 << shift >> 1);
            u8::try_from(middle).unwrap_or(u8::MAX).min(LAST_BUCKET)
        }
    };
    let groups = counts.chunk_by(move |one, other| wide(one.0) == wide(other.0));
    groups.filter_map(move |group| {
        let count = group
            .iter()
            .fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        Some((wide(group.first()?.0), count))
    })
}

#[expect(clippy::cast_possible_truncation, reason = "208")]
const LAST_BUCKET: u8 = (MAX_BUCKETS - 1) as u8;

fn push_counts(bytes: &mut Vec<u8>, counts: impl Iterator<Item = (u8, u32)>) {
    let mut next = 0;
    for (bucket, count) in counts {
        let gap = bucket - next;
        next = bucket + 1;
        let low = u8::try_from(count.saturating_sub(1))
            .unwrap_or(ESCAPE)
            .min(ESCAPE);
        bytes.push(gap.min(ESCAPE) << 4 | low);
        if gap >= ESCAPE {
            bytes.push(gap);
        }
        if low == ESCAPE {
            bytes.push(rounded(count));
        }
    }
}

/// The smallest count that is rounded.
const ROUNDED: u32 = 16;

/// Rounds a count from 16 on down to 5 significant bits.
fn rounded(count: u32) -> u8 {
    // The largest is 31 × 2^15.
    let count = count.min(0x000F_FFFF);
    let exponent = count.ilog2() - ROUNDED.ilog2();
    let mantissa = (count >> exponent) - ROUNDED;
    u8::try_from(exponent << 4 | mantissa).unwrap_or(u8::MAX)
}

fn unrounded(byte: u8) -> u32 {
    (ROUNDED + u32::from(byte & 15)) << (byte >> 4)
}

pub(super) fn push_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 128 {
        bytes.push(number.to_le_bytes()[0] | 128);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

pub(super) fn take_number(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let mut number = 0;
    for (place, byte) in (0..u32::BITS).step_by(7).zip(bytes) {
        number |= u32::from(byte & 127) << place;
        if byte < 128 {
            break;
        }
    }
    number
}

fn unpack(mut bytes: impl Iterator<Item = u8>, first: u8) -> Step {
    let mut step = Step::default();
    let has_others = first & HAS_OTHERS != 0;
    if has_others {
        let [received, lost, missed, connects, disconnects] =
            std::array::from_fn(|_| take_number(&mut bytes));
        (step.received, step.lost, step.missed) = (received, lost, missed);
        (step.connects, step.disconnects) = (connects, disconnects);
    }
    let ways = if first & HAS_WAYS != 0 {
        PackedWays::take(&mut bytes)
    } else {
        PackedWays::default()
    };
    let mut next = 0_u8;
    while let Some(byte) = bytes.next() {
        let mut gap = byte >> 4;
        if gap == ESCAPE {
            gap = bytes.next().unwrap_or(0);
        }
        let count = match byte & 15 {
            ESCAPE => unrounded(bytes.next().unwrap_or(0)),
            low => u32::from(low) + 1,
        };
        let bucket = next.saturating_add(gap);
        step.counts.push((bucket, count));
        next = bucket.saturating_add(1);
    }
    if !has_others {
        step.received = step.replies();
    }
    step.ways = ways.unpack(step.received);
    step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::page::history::ways::{Segments, Ways};

    const ROOM: Room = Room {
        steps: 5,
        bytes: 200,
        step_bytes: MAX_STEP_BYTES,
    };

    fn step(counts: &[(u8, u32)]) -> Step {
        let mut step = Step {
            counts: counts.to_vec(),
            ..Step::default()
        };
        step.received = step.replies();
        step.ways = PackedWays::default().unpack(step.received);
        step
    }

    fn any_ways() -> impl Strategy<Value = Ways> {
        let segments = || {
            prop_oneof![
                Just(Segments::default()),
                (any::<u32>(), any::<u32>()).prop_map(|(sent, lost)| Segments { sent, lost }),
            ]
        };
        let excess = proptest::array::uniform4(prop_oneof![Just(0), any::<u64>()]);
        let all = (0..3000_u32, excess, [segments(), segments()]);
        all.prop_map(|(split, excess, segments)| Ways {
            split,
            excess,
            segments,
        })
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let counts = proptest::collection::btree_map(0..=LAST_BUCKET, 1_u32..3000, 0..40);
        let other = || prop_oneof![3 => Just(0), 1 => any::<u32>()];
        let others = [other(), other(), other(), other()];
        (counts, others, any_ways()).prop_map(|(counts, others, ways)| {
            let mut step = step(&counts.into_iter().collect::<Vec<_>>());
            [step.lost, step.missed, step.connects, step.disconnects] = others;
            Step { ways, ..step }
        })
    }

    proptest! {
        #[test]
        fn steps_come_back_in_their_order(
            steps in proptest::collection::vec(any_step(), 0..12),
            step_bytes in MIN_STEP_BYTES..=MAX_STEP_BYTES,
        ) {
            let room = Room { step_bytes, ..ROOM };
            let mut packed = Steps::default();
            for step in &steps {
                packed.push(step, room);
                prop_assert!(packed.len() <= room.steps);
                prop_assert!(packed.allocated() <= room.bytes);
            }
            let back: Vec<_> = packed.last(usize::MAX).collect();
            prop_assert_eq!(back.len(), packed.len());
            prop_assert!(back.len() >= steps.len().min(room.bytes / 64));
            for (step, back) in steps.iter().rev().zip(back.iter().rev()) {
                let others = |step: &Step| [step.lost, step.missed, step.connects, step.disconnects];
                prop_assert_eq!(others(step), others(back));
                for (segments, back) in step.ways.segments.iter().zip(back.ways.segments) {
                    prop_assert_eq!(segments.lost.min((1 << 21) - 1), back.lost);
                }
                prop_assert_eq!(step.ways.split > 0, back.ways.split > 0);
                let error = back.received.abs_diff(step.received);
                prop_assert!(error * 16 <= step.received, "{} {}", step.received, back.received);
            }
            for max in 0..7 {
                let last: Vec<_> = packed.tail(max).last(7).collect();
                prop_assert_eq!(&last, &back[back.len().saturating_sub(max)..]);
                prop_assert_eq!(&packed.last(max).collect::<Vec<_>>(), &last);
            }
        }

        #[test]
        fn a_step_is_no_longer_than_its_limit(
            counts in proptest::collection::btree_map(0..=LAST_BUCKET, 1_u32..100_000_000, 0..=209),
            max in MIN_STEP_BYTES..=MAX_STEP_BYTES,
        ) {
            let step = step(&counts.into_iter().collect::<Vec<_>>());
            let packed = pack(&step, max);
            prop_assert!(packed.len() <= max);
            prop_assert_eq!(usize::from(packed[0]), packed.len() - 1);
        }
    }

    #[test]
    fn few_replies_are_exact_and_take_few_bytes() {
        for (counts, bytes) in [
            (&[][..], 1),
            (&[(60, 1)], 3),
            (&[(60, 7), (61, 15), (63, 1)], 5),
            (&[(0, 1), (60, 2), (90, 1), (208, 1)], 8),
        ] {
            let step = step(counts);
            assert_eq!(pack(&step, MIN_STEP_BYTES).len(), bytes, "{counts:?}");
            let mut steps = Steps::default();
            steps.push(&step, ROOM);
            assert_eq!(steps.last(1).collect::<Vec<_>>(), [step]);
        }
    }

    #[test]
    fn buckets_are_widened_only_if_the_step_is_too_long() {
        let counts: Vec<_> = (40..60).map(|bucket| (bucket, 3)).collect();
        let unpacked = |max| {
            let packed = pack(&step(&counts), max);
            unpack(packed[1..].iter().copied(), packed[0]).counts
        };
        assert_eq!(unpacked(23), counts);
        let pairs = unpacked(13);
        // 40 is the second of its pair, and 59 the first.
        assert_eq!(pairs[..3], [(40, 3), (42, 6), (44, 6)]);
        assert_eq!(pairs.len(), 11);
        assert_eq!(unpacked(12)[..2], [(39, 3), (43, 12)], "fours");
    }

    #[test]
    fn an_hour_of_both_ways_takes_a_byte_a_step_where_nothing_is_wrong() {
        let echo = step(&[(98, 60), (99, 30), (104, 9), (120, 1)]);
        let told = |excess, lost| {
            let sent = 100 + lost;
            let mut told = echo.clone();
            told.ways = Ways {
                split: 100,
                excess,
                segments: [Segments { sent, lost }, Segments { sent, lost: 0 }],
            };
            told
        };
        let hour = |step: &Step| {
            let mut steps = Steps::default();
            for _ in 0..360 {
                let bytes = 360 * MAX_STEP_BYTES;
                steps.push(
                    step,
                    Room {
                        steps: 360,
                        bytes,
                        ..ROOM
                    },
                );
            }
            steps.bytes.len()
        };
        let before = hour(&echo);
        assert_eq!(before, 360 * 9);
        let late = 100 * 20_000;
        for (told, more) in [
            (told([0, 900, 0, 900], 0), 1),
            (told([0, 0, 0, late], 0), 3),
            (told([0, 0, 0, late], 2), 5),
            (told([late; 4], 2), 11),
        ] {
            assert_eq!(hour(&told) - before, 360 * more);
        }
    }

    #[test]
    fn large_counts_have_five_bits() {
        for count in (16..70_000).chain([1 << 20, u32::MAX]) {
            let back = unrounded(rounded(count));
            assert!(back <= count);
            if count < 1 << 20 {
                assert!((count - back) * 16 < count, "{count}: {back}");
            }
        }
    }
}
