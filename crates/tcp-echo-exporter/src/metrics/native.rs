//! The buckets of a native histogram (Prometheus's sparse, exponential ones).
//!
//! Bucket *i* of schema 3 holds what lies above 2^((i−1)/8) seconds and at most at
//! 2^(i/8): eight buckets for each doubling, each 9 % wide. Up to 2^−20 s, about
//! 1 µs, all falls into the zero bucket; at the top the buckets end with the
//! target's timeout, which no RTT exceeds. So their number is known when a target
//! is attached: 160 for a timeout of 800 ms.
//!
//! See <https://prometheus.io/docs/specs/native_histograms/>.

use std::time::Duration;

/// How finely a doubling is divided: into 2^`SCHEMA` buckets.
pub(crate) const SCHEMA: i32 = 3;

/// The upper bound of the zero bucket, in seconds: 2^−20.
pub(crate) const ZERO_THRESHOLD: f64 = 1.0 / 1_048_576.0;

/// The index of the first bucket above the zero bucket.
const FIRST: i32 = -20 * 8 + 1;

/// The fractions that divide a doubling: 2^(i/8) for i from −8 to −1.
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

/// The index of the bucket that a positive, finite and normal number falls into.
#[inline]
fn index(seconds: f64) -> i32 {
    const MANTISSA_BITS: u32 = 52;
    const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
    /// The exponent of numbers from 0.5 up to 1.
    const HALF: u64 = 1022;
    let bits = seconds.to_bits();
    let fraction = f64::from_bits(bits & MANTISSA | HALF << MANTISSA_BITS);
    let exponent = (bits >> MANTISSA_BITS) as i32 - 1022;
    let below = FRACTIONS.map(|bound| i32::from(bound < fraction));
    below.iter().sum::<i32>() + (exponent - 1) * 8
}

/// How many numbers a target's native histogram takes, for RTTs up to `max_rtt`:
/// the zero bucket first, then the others from the lowest up.
pub(crate) fn len(max_rtt: Duration) -> usize {
    bucket(max_rtt.as_secs_f64()) + 1
}

/// At which of those numbers an RTT is counted.
#[inline]
pub(crate) fn bucket(seconds: f64) -> usize {
    if seconds <= ZERO_THRESHOLD {
        return 0;
    }
    usize::try_from(index(seconds) - FIRST + 1).unwrap_or(0)
}

/// An RTT so far (0 to 1) up the bucket at that position, on the logarithm.
pub(crate) fn rtt_in(bucket: usize, fraction: f64) -> f64 {
    match bucket {
        0 => ZERO_THRESHOLD,
        _ => ZERO_THRESHOLD * ((bucket as f64 - 1.0 + fraction) / 8.0).exp2(),
    }
}

/// The sparse form in which a native histogram goes out.
#[derive(Debug, Default)]
pub(crate) struct SparseHistogram {
    /// How far from the end of the last one each run of buckets begins (the first
    /// from index 0), and how many buckets it has.
    pub(crate) spans: Vec<(i32, u32)>,
    /// The first bucket's count, then the difference to the one before it.
    pub(crate) deltas: Vec<i64>,
}

/// Empty buckets that are cheaper to carry along than a new run.
const MAX_GAP: usize = 2;

impl SparseHistogram {
    /// Of the numbers after the zero bucket's.
    pub(crate) fn fill(&mut self, counts: &[u64]) {
        self.spans.clear();
        self.deltas.clear();
        // The index of the bucket after the last one of the last run.
        let mut end = 0;
        let mut last = 0;
        let mut push = |deltas: &mut Vec<i64>, count: u64| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            deltas.push(count - last);
            last = count;
        };
        let mut empty = 0;
        for (index, count) in (FIRST..).zip(counts) {
            if *count == 0 {
                empty += 1;
                continue;
            }
            match self.spans.last_mut() {
                Some((_, length)) if empty <= MAX_GAP => {
                    for _ in 0..empty {
                        push(&mut self.deltas, 0);
                        *length += 1;
                    }
                    *length += 1;
                }
                _ => self.spans.push((index - end, 1)),
            }
            push(&mut self.deltas, *count);
            end = index + 1;
            empty = 0;
        }
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

    /// Back from the sparse form to counts by index.
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
            sparse.fill(&counts);
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
