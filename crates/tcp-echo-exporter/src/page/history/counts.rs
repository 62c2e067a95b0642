//! The native histogram of one target at one moment, in little memory.

use crate::metrics::snapshot::Snapshot;

/// The number of native buckets that are kept: up to 64 s.
pub(super) const MAX_BUCKETS: usize = 209;

/// The width of a count, below the number of its bucket. Counts wrap, which does not affect their
/// differences: in a step there are fewer than 16 million replies.
const COUNT_BITS: u32 = 24;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// The buckets that are not empty, 4 bytes each.
#[derive(Debug, Default)]
pub(super) struct BucketCounts(Box<[u32]>);

impl BucketCounts {
    pub(super) fn of(target: &Snapshot<'_>) -> Self {
        Self::new(native(target))
    }

    fn new(counts: impl Iterator<Item = (u8, u32)>) -> Self {
        let words = counts.map(|(bucket, count)| u32::from(bucket) << COUNT_BITS | count & COUNT);
        Self(words.collect())
    }

    /// Returns the counts since then: of the buckets where there are any, in increasing order.
    pub(super) fn delta_to(&self, now: &Snapshot<'_>) -> Vec<(u8, u32)> {
        self.subtracted(native(now))
    }

    fn subtracted(&self, from: impl Iterator<Item = (u8, u32)>) -> Vec<(u8, u32)> {
        let mut then = self
            .0
            .iter()
            .map(|word| (word >> COUNT_BITS, word & COUNT))
            .peekable();
        let delta = from.map(|(bucket, count)| {
            // No bucket becomes empty again.
            let same = then.next_if(|(then, _)| *then <= u32::from(bucket));
            let before = same.map_or(0, |(_, count)| count);
            (bucket, count.wrapping_sub(before) & COUNT)
        });
        delta.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the allocated memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// Returns the native histogram. The last bucket includes all beyond it.
fn native(target: &Snapshot<'_>) -> impl Iterator<Item = (u8, u32)> {
    let mut counts = target.native().into_iter().flatten().peekable();
    std::iter::from_fn(move || {
        let (bucket, mut count) = counts.next()?;
        if bucket >= MAX_BUCKETS - 1 {
            count = counts
                .by_ref()
                .fold(count, |sum, (_, count)| sum.wrapping_add(count));
        }
        let bucket = u8::try_from(bucket.min(MAX_BUCKETS - 1)).unwrap_or(u8::MAX);
        Some((bucket, u32::try_from(count & u64::from(COUNT)).unwrap_or(0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_of_the_whole_histograms() {
        let full = COUNT - 2;
        let now = [(0, 7), (2, 9), (3, 3), (5, 1), (6, 1)];
        for (then, delta) in [
            (vec![], vec![(0, 7), (2, 9), (3, 3), (5, 1), (6, 1)]),
            (vec![(2, 9)], vec![(0, 7), (3, 3), (5, 1), (6, 1)]),
            (vec![(0, 6), (5, 1)], vec![(0, 1), (2, 9), (3, 3), (6, 1)]),
            (now.to_vec(), vec![]),
            // It has wrapped.
            (
                vec![(3, full)],
                vec![(0, 7), (2, 9), (3, 6), (5, 1), (6, 1)],
            ),
        ] {
            let kept = BucketCounts::new(then.iter().copied());
            assert_eq!(kept.subtracted(now.iter().copied()), delta, "{then:?}");
        }
    }

    #[test]
    fn only_what_is_counted_is_kept() {
        assert_eq!(BucketCounts::default().bytes(), 0);
        let counts = [(100, 1), (104, 7)];
        assert_eq!(BucketCounts::new(counts.into_iter()).bytes(), 8);
    }
}
