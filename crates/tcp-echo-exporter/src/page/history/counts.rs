//! The native histogram of one target at one moment, in little memory.

use crate::metrics::snapshot::Snapshot;

/// The number of native buckets that are kept: up to 64 s.
pub(super) const MAX_BUCKETS: usize = 209;

/// Counts by native bucket, from the first to the last that is not 0. Those of one target lie
/// close together.
#[derive(Debug, Default)]
pub(super) struct BucketCounts {
    first: usize,
    counts: Box<[u32]>,
}

impl BucketCounts {
    pub(super) fn of(target: &Snapshot<'_>) -> Self {
        Self::trimmed(native(target))
    }

    fn trimmed(mut counts: Vec<u32>) -> Self {
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = counts.iter().rposition(|count| *count > 0);
        counts.truncate(end.map_or(0, |last| last + 1));
        Self {
            first,
            counts: counts.get(first..).unwrap_or_default().into(),
        }
    }

    /// Returns the counts since then, by native bucket.
    pub(super) fn delta_to(&self, now: &Snapshot<'_>) -> Vec<u32> {
        self.subtracted(native(now))
    }

    fn subtracted(&self, mut from: Vec<u32>) -> Vec<u32> {
        let same = from.iter_mut().skip(self.first);
        for (count, then) in same.zip(&self.counts) {
            *count = count.wrapping_sub(*then);
        }
        from
    }

    /// Returns the allocated memory in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.counts)
    }
}

/// Returns the native histogram. The last bucket includes all beyond it. Counts wrap, which
/// does not affect their differences.
fn native(target: &Snapshot<'_>) -> Vec<u32> {
    let mut counts = vec![0_u32; MAX_BUCKETS];
    for (bucket, count) in target.native().into_iter().flatten() {
        #[expect(clippy::cast_possible_truncation, reason = "counts wrap")]
        let count = count as u32;
        let kept = &mut counts[bucket.min(MAX_BUCKETS - 1)];
        *kept = kept.wrapping_add(count);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_those_of_the_whole_histograms() {
        let nows = [vec![0, 5, 9, 0, 4, 1], vec![7, 5, 9, 3, 4, 1]];
        for then in [
            vec![],
            vec![0; 6],
            vec![0, 0, 9, 0, 4, 0],
            vec![7, 5, 0, 0, 0, 0],
            vec![0, 0, 0, 0, 0, 1],
        ] {
            for now in &nows {
                let mut expected = now.clone();
                for (count, then) in expected.iter_mut().zip(&then) {
                    *count = u32::wrapping_sub(*count, *then);
                }
                let kept = BucketCounts::trimmed(then.clone());
                assert_eq!(kept.subtracted(now.clone()), expected, "{then:?}");
            }
        }
    }

    #[test]
    fn only_what_is_counted_is_kept() {
        assert_eq!(BucketCounts::trimmed(vec![0; MAX_BUCKETS]).bytes(), 0);
        let mut counts = vec![0; MAX_BUCKETS];
        counts[100] = 1;
        counts[104] = 7;
        assert_eq!(BucketCounts::trimmed(counts).bytes(), 20);
    }
}
