//! The counts of many buckets, of which most stay small.
//!
//! A bucket has one byte of the sequence lock. When the byte is full, the next event sets it to 0 and adds a *carry*,
//! worth 256 events, to a word that has the bucket's number in its upper 16 bits. The 48 bits below
//! hold the carries of a billion events a second for two years, or of a thousand for two million.
//!
//! The words of carries are in segments of the sequence lock. In a segment of *n* words, bucket *i*
//! has place *i* mod *n*; if another bucket has taken it, the next segment, which is four times as
//! long, is tried. The last one has a place for every bucket. So buckets that are next to each
//! other, as those of one target are, don't collide, and a bucket with few events takes no word.

use super::seqlock::Change;

/// The number of words in the first segment.
const FIRST_SEGMENT: usize = 8;

/// Each segment is this many times as long as the one before.
const GROWTH: usize = 4;

/// The width of a count in a word, next to the number of its bucket.
const COUNT_BITS: u32 = 48;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// The counts of so many buckets, which are as many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    len: u16,
}

impl Counts {
    /// More buckets than 65,535 are left out.
    pub(crate) fn new(len: usize) -> Self {
        Self {
            len: u16::try_from(len).unwrap_or(u16::MAX),
        }
    }

    pub(crate) fn len(self) -> usize {
        usize::from(self.len)
    }

    /// Counts one event in a bucket.
    #[inline]
    pub(crate) fn add(self, change: &Change<'_>, bucket: usize) {
        if change.increment(bucket) {
            self.carry(change, bucket);
        }
    }

    #[cold]
    fn carry(self, change: &Change<'_>, bucket: usize) {
        let len = |number| {
            let growth = u32::try_from(number)
                .ok()
                .and_then(|n| GROWTH.checked_pow(n));
            let len = growth.and_then(|growth| FIRST_SEGMENT.checked_mul(growth));
            len.map_or(self.len(), |len| len.min(self.len()))
        };
        for segment in change.segments(len) {
            let place = bucket % segment.len();
            let word = segment.get(place);
            if word == 0 || bucket_of(word) == bucket {
                segment.set(place, entry(bucket, (word & COUNT) + 1));
                return;
            }
        }
    }
}

/// Writes the count of each bucket to `counts`, given the bytes and the words of the segments.
pub(crate) fn read(bytes: &[u8], carries: &[u64], counts: &mut Vec<u64>) {
    counts.clear();
    counts.extend(bytes.iter().copied().map(u64::from));
    for word in carries {
        if let Some(count) = counts.get_mut(bucket_of(*word)) {
            *count += (word & COUNT) << 8;
        }
    }
}

/// Packs a bucket and its count into a word.
pub(crate) fn entry(bucket: usize, count: u64) -> u64 {
    (bucket as u64) << COUNT_BITS | count.min(COUNT)
}

/// Returns the bucket and the count of a word.
pub(crate) fn bucket_and_count(entry: u64) -> (usize, u64) {
    (bucket_of(entry), entry & COUNT)
}

fn bucket_of(entry: u64) -> usize {
    (entry >> COUNT_BITS) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::seqlock::SeqLock;

    /// Counts runs of events of a bucket, and compares each state with plain counters. Returns
    /// the number of words for carries.
    fn check(len: usize, runs: &[(usize, u32)]) -> usize {
        let counts = Counts::new(len);
        let (mut writer, seqlock) = SeqLock::new(3, len);
        let mut expected = vec![0; len];
        let mut carries = 0;
        let (mut words, mut bytes, mut actual) = (Vec::new(), Vec::new(), Vec::new());
        for (bucket, events) in runs {
            let bucket = bucket % len;
            for _ in 0..*events {
                let change = writer.change();
                counts.add(&change, bucket);
            }
            expected[bucket] += u64::from(*events);
            seqlock.read(&mut words, &mut bytes);
            read(&bytes, &words[3..], &mut actual);
            assert_eq!(actual, expected);
            assert_eq!(words[..3], [0; 3], "what lies before is left alone");
            carries = words.len() - 3;
        }
        carries
    }

    proptest! {
        #[test]
        fn counts_are_those_of_plain_counters(
            len in 1_usize..400,
            runs in proptest::collection::vec((any::<usize>(), 0_u32..1500), 0..60),
        ) {
            check(len, &runs);
        }
    }

    #[test]
    fn every_bucket_has_a_place_for_its_carries() {
        for len in [1, 7, 8, 9, 40, 202, 340] {
            let all: Vec<_> = (0..len).rev().map(|bucket| (bucket, 600)).collect();
            let words = check(len, &all);
            assert!(
                words >= len && words <= 8 + 32 + 128 + 512,
                "{len}: {words}"
            );
        }
    }

    #[test]
    fn buckets_without_carries_and_neighbours_take_few_words() {
        let few: Vec<_> = (0..202).map(|bucket| (bucket, 255)).collect();
        assert_eq!(check(202, &few), 0);
        let neighbours: Vec<_> = (100..108).map(|bucket| (bucket, 100_000)).collect();
        assert_eq!(check(202, &neighbours), 8);
        let more: Vec<_> = (100..140).map(|bucket| (bucket, 1_000)).collect();
        assert_eq!(check(202, &more), 8 + 32);
    }

    #[test]
    fn an_entry_holds_both() {
        for pair in [(0, 0), (0, 1), (292, COUNT), (65_535, 7)] {
            assert_eq!(bucket_and_count(entry(pair.0, pair.1)), pair);
        }
        assert_eq!(bucket_and_count(entry(1, u64::MAX)), (1, COUNT));
    }
}
