//! Histograms of RTTs, with buckets of even width on a logarithmic scale.

use std::time::Duration;

/// The bounds of the buckets of a decade, in three digits: the series of IEC 60063 with 3, 6,
/// 12 and 24 steps. The first is the familiar 1, 2, 5.
const SERIES: [&[u64]; 4] = [
    &[100, 200, 500],
    &[100, 150, 220, 330, 470, 680],
    &[100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820],
    &[
        100, 110, 120, 130, 150, 160, 180, 200, 220, 240, 270, 300, 330, 360, 390, 430, 470, 510,
        560, 620, 680, 750, 820, 910,
    ],
];

/// The steps of a report for programs: independent of the values, so that reports can be
/// summed.
pub(super) const FIXED: &[u64] = SERIES[2];

/// The number of values above `lower`, up to and including `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) lower: Duration,
    pub(super) upper: Duration,
    pub(super) count: u64,
}

/// The buckets of ascending values, from the first to the last that is not empty.
pub(super) fn buckets(values: impl Iterator<Item = (Duration, u64)>, steps: &[u64]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for (value, count) in values {
        loop {
            match buckets.last_mut() {
                Some(last) if value <= last.upper => {
                    last.count += count;
                    break;
                }
                Some(last) => {
                    let lower = last.upper;
                    let upper = next_bound(lower, steps);
                    buckets.push(Bucket {
                        lower,
                        upper,
                        count: 0,
                    });
                }
                None => buckets.push(first(value, steps)),
            }
        }
    }
    buckets
}

/// The buckets of the finest series that needs at most `max` of them, or else of the
/// coarsest.
pub(super) fn fitting<I>(values: impl Fn() -> I, max: usize) -> Vec<Bucket>
where
    I: Iterator<Item = (Duration, u64)>,
{
    let finest_first = SERIES.iter().rev().map(|steps| buckets(values(), steps));
    let mut coarsest = Vec::new();
    for buckets in finest_first {
        if buckets.len() <= max {
            return buckets;
        }
        coarsest = buckets;
    }
    coarsest
}

/// An empty bucket around a value.
fn first(value: Duration, steps: &[u64]) -> Bucket {
    let mut lower = Duration::ZERO;
    let mut upper = Duration::from_nanos(1);
    while upper < value {
        lower = upper;
        upper = next_bound(lower, steps);
    }
    Bucket {
        lower,
        upper,
        count: 0,
    }
}

/// The next bound, to the nanosecond.
fn next_bound(bound: Duration, steps: &[u64]) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    let mut decade = 1_u64;
    loop {
        // The steps are in hundredths.
        let next = steps.iter().map(|step| step.saturating_mul(decade) / 100);
        if let Some(next) = next.into_iter().find(|next| *next > nanos) {
            return Duration::from_nanos(next);
        }
        match decade.checked_mul(10) {
            Some(more) => decade = more,
            None => return Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(nanos: &[u64], steps: &[u64]) -> Vec<(u64, u64, u64)> {
        let mut nanos = nanos.to_vec();
        nanos.sort_unstable();
        let values = nanos.iter().map(|nanos| (Duration::from_nanos(*nanos), 1));
        let in_nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap();
        let buckets = buckets(values, steps).into_iter();
        buckets
            .map(|bucket| (in_nanos(bucket.lower), in_nanos(bucket.upper), bucket.count))
            .collect()
    }

    #[test]
    fn bounds_are_round_upper_limits() {
        assert_eq!(
            of(&[36_000, 50_000, 50_001, 320_000], SERIES[0]),
            [
                (20_000, 50_000, 2),
                (50_000, 100_000, 1),
                (100_000, 200_000, 0),
                (200_000, 500_000, 1)
            ]
        );
        assert_eq!(of(&[36_000], FIXED), [(33_000, 39_000, 1)]);
        assert_eq!(of(&[0, 1], FIXED), [(0, 1, 2)]);
        assert_eq!(of(&[], FIXED), []);
    }

    #[test]
    fn the_finest_series_that_fits_is_used() {
        let values = |nanos: &'static [u64]| {
            move || nanos.iter().map(|nanos| (Duration::from_nanos(*nanos), 1))
        };
        let narrow = fitting(values(&[30_500, 34_000, 40_000]), 12);
        assert_eq!(narrow.len(), 4);
        assert_eq!(narrow[0].upper, Duration::from_micros(33));
        assert!(fitting(values(&[36_000, 100_000_000]), 12).len() <= 12);
        // Nine decades don't fit, and are shown anyway.
        assert_eq!(fitting(values(&[1, 1_000_000_000]), 12).len(), 28);
    }

    /// The longest timeout, in nanoseconds: no RTT is above it.
    const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

    proptest! {
        #[test]
        fn every_value_is_in_its_bucket(
            nanos in prop::collection::vec(0_u64..=DAY, 0..50), series in 0..4_usize,
        ) {
            let buckets = of(&nanos, SERIES[series]);
            for pair in buckets.windows(2) {
                prop_assert_eq!(pair[0].1, pair[1].0);
            }
            for (lower, upper, count) in buckets {
                prop_assert!(lower < upper);
                let inside = |nanos: &&u64| (lower < **nanos || lower == 0) && **nanos <= upper;
                prop_assert_eq!(nanos.iter().filter(inside).count() as u64, count);
            }
        }
    }
}
