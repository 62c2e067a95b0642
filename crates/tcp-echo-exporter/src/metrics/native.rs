//! The buckets of native histograms (Prometheus's sparse, exponential histograms).
//!
//! Bucket *i* of schema 3 holds values above 2^((i−1)/8) seconds and up to 2^(i/8): eight
//! buckets for each doubling, each 9 % wide. Values up to 2^−20 s, about 1 µs, fall into the
//! zero bucket. The last bucket contains the target's timeout, which no RTT exceeds, so the
//! number of buckets is known when a target is attached: 159 for a timeout of 800 ms.
//!
//! See <https://prometheus.io/docs/specs/native_histograms/>.

use std::time::Duration;

/// The resolution: each doubling has 2^`SCHEMA` buckets.
pub(crate) const SCHEMA: i32 = 3;

/// The upper bound of the zero bucket, in seconds: 2^−20.
pub(crate) const ZERO_THRESHOLD: f64 = 1.0 / 1_048_576.0;

/// The index of the first bucket above the zero bucket.
const FIRST: i32 = -20 * 8 + 1;

/// The bounds within a doubling: 2^(i/8) for i from −8 to −1.
#[expect(clippy::unreadable_literal, reason = "as computed")]
const FRACTIONS: [f64; 8] = [
    0.5,
    0.5452538663326288,
    0.5946035575013605,
    0.6484197773255048,
    0.7071067811865475,
    0.7711054127039704,
    0.8408964152537144,
    0.9170040432046711,
];

/// Returns the index, in the schema, of the bucket of a positive, finite and normal number.
#[inline]
fn index(seconds: f64) -> i32 {
    const MANTISSA_BITS: u32 = 52;
    const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
    /// The biased exponent of numbers from 0.5 up to 1.
    const HALF: u64 = 1022;
    let bits = seconds.to_bits();
    let fraction = f64::from_bits(bits & MANTISSA | HALF << MANTISSA_BITS);
    let exponent = (bits >> MANTISSA_BITS) as i32 - 1022;
    let below = FRACTIONS.map(|bound| i32::from(bound < fraction));
    below.iter().sum::<i32>() + (exponent - 1) * 8
}

/// Returns the number of buckets for RTTs up to `max_rtt`: the zero bucket first, then the
/// others in increasing order.
pub(crate) fn len(max_rtt: Duration) -> usize {
    bucket(max_rtt.as_secs_f64()) + 1
}

/// Returns the bucket of an RTT, as an index into those.
#[inline]
pub(crate) fn bucket(seconds: f64) -> usize {
    if seconds <= ZERO_THRESHOLD {
        return 0;
    }
    usize::try_from(index(seconds) - FIRST + 1).unwrap_or(0)
}

/// Returns a quantile in seconds, given buckets in increasing order and the count of each; `None`
/// if all are empty. Interpolates on a logarithmic scale within a bucket.
pub(crate) fn quantile(counts: impl Iterator<Item = (usize, u64)> + Clone, q: f64) -> Option<f64> {
    let all: u64 = counts.clone().map(|(_, count)| count).sum();
    let rank = q * all as f64;
    let mut below = 0.0;
    for (bucket, count) in counts {
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            return Some(rtt_in(bucket, (rank - below) / count));
        }
        below += count;
    }
    None
}

/// Interpolates in a bucket, on a logarithmic scale: the RTT at this fraction (0 to 1) of it.
fn rtt_in(bucket: usize, fraction: f64) -> f64 {
    match bucket {
        0 => ZERO_THRESHOLD,
        _ => ZERO_THRESHOLD * ((bucket as f64 - 1.0 + fraction) / 8.0).exp2(),
    }
}

/// The sparse encoding of a native histogram.
#[derive(Debug, Default)]
pub(crate) struct SparseHistogram {
    /// The runs of buckets: the gap to the previous run (for the first: the index), and the
    /// length.
    pub(crate) spans: Vec<(i32, u32)>,
    /// The first bucket's count, then the difference to the previous bucket.
    pub(crate) deltas: Vec<i64>,
}

/// The longest run of empty buckets that is cheaper to encode than a new span.
const MAX_GAP: i32 = 2;

impl SparseHistogram {
    /// Encodes the buckets that are not empty, in increasing order, with their counts. Returns
    /// the count of the zero bucket, which is not part of the sparse form.
    pub(crate) fn fill(&mut self, counts: impl IntoIterator<Item = (usize, u64)>) -> u64 {
        self.spans.clear();
        self.deltas.clear();
        let mut zero = 0;
        // The index after the last bucket of the last run.
        let mut end = 0;
        let mut last = 0;
        let mut push = |deltas: &mut Vec<i64>, count: u64| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            deltas.push(count - last);
            last = count;
        };
        for (bucket, count) in counts {
            if bucket == 0 {
                zero = count;
                continue;
            }
            let index = FIRST + i32::try_from(bucket - 1).unwrap_or(0);
            match self.spans.last_mut() {
                Some((_, length)) if index - end <= MAX_GAP => {
                    for _ in end..index {
                        push(&mut self.deltas, 0);
                        *length += 1;
                    }
                    *length += 1;
                }
                _ => self.spans.push((index - end, 1)),
            }
            push(&mut self.deltas, count);
            end = index + 1;
        }
        zero
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(index: i32) -> f64 {
        (f64::from(index) / 8.0).exp2()
    }

    #[test]
    fn a_number_lies_within_its_buckets_bounds() {
        for nanos in (1..4000_u64).map(|n| n * n * n + 954) {
            let seconds = nanos as f64 / 1e9;
            let index = index(seconds);
            assert!(seconds <= upper(index) * 1.000_000_1, "{nanos}");
            assert!(seconds > upper(index - 1) * 0.999_999_9, "{nanos}");
        }
        assert_eq!([index(1.0), index(1.000_001), index(0.5)], [0, 1, -8]);
    }

    #[test]
    fn the_zero_bucket_ends_where_the_first_begins() {
        assert_eq!(bucket(0.0), 0);
        assert_eq!(bucket(ZERO_THRESHOLD), 0);
        assert_eq!(bucket(ZERO_THRESHOLD * 1.000_001), 1);
        assert!((upper(FIRST - 1) - ZERO_THRESHOLD).abs() < 1e-12);
    }

    #[test]
    fn no_rtt_within_the_timeout_lies_beyond_the_last_bucket() {
        for timeout in [1, 800_000, 800_000_000, 86_400_000_000_000] {
            let timeout = Duration::from_nanos(timeout);
            assert!(bucket(timeout.as_secs_f64()) < len(timeout));
        }
        assert_eq!(len(Duration::from_millis(800)), 159);
        assert_eq!(len(Duration::from_secs(86_400)), 293);
    }

    /// Decodes into counts by index.
    fn dense(sparse: &SparseHistogram) -> Vec<(i32, i64)> {
        let mut deltas = sparse.deltas.iter();
        let (mut index, mut count) = (0, 0);
        let mut dense = Vec::new();
        for (offset, length) in &sparse.spans {
            index += offset;
            for _ in 0..*length {
                count += deltas.next().unwrap();
                dense.push((index, count));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        dense
    }

    #[test]
    fn the_sparse_form_is_the_same_histogram() {
        let mut sparse = SparseHistogram::default();
        for counts in [
            vec![],
            vec![0, 0, 0],
            vec![5],
            vec![0, 1, 0, 0, 7, 3, 0, 0, 0, 2, 0],
        ] {
            let filled = counts.iter().copied().enumerate();
            let filled = filled.filter(|(_, count)| *count > 0);
            let zero = sparse.fill(filled.map(|(n, count)| (n + 1, count)));
            assert_eq!(zero, 0);
            let back: Vec<_> = dense(&sparse).into_iter().filter(|(_, n)| *n > 0).collect();
            let expected: Vec<_> = (FIRST..)
                .zip(&counts)
                .filter(|(_, n)| **n > 0)
                .map(|(i, n)| (i, i64::try_from(*n).unwrap()))
                .collect();
            assert_eq!(back, expected);
        }
        assert_eq!(sparse.spans, [(FIRST + 1, 5), (3, 1)]);
        assert_eq!(sparse.deltas, [1, -1, 0, 7, -4, -1]);
    }
}
