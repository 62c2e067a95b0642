//! The RTTs of one target, and the delay that this host added to them.

use std::time::Duration;

use super::values::{Values, mean};

/// Significant figures of the RTTs: a percentile is within 0.1 %.
const RTT_FIGURES: u8 = 3;
/// Significant figures of the host delays: within 1 %, in an eighth of the memory.
const DELAY_FIGURES: u8 = 2;

/// The RTTs of one target, and the delay that this host added to them.
#[derive(Clone, Debug)]
pub(super) struct Rtts {
    values: Values,
    total: Duration,
    min: Duration,
    max: Duration,
    host_delays: Values,
}

impl Rtts {
    /// For RTTs up to `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            values: Values::up_to(limit, RTT_FIGURES),
            total: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
            host_delays: Values::up_to(limit, DELAY_FIGURES),
        }
    }

    #[inline]
    pub(super) fn record(&mut self, rtt: Duration, host_delay: Option<Duration>) {
        self.values.record(rtt);
        self.total += rtt;
        self.min = self.min.min(rtt);
        self.max = self.max.max(rtt);
        if let Some(delay) = host_delay {
            self.host_delays.record(delay);
        }
    }

    /// Adds the RTTs of another flow of the same target.
    pub(super) fn add(&mut self, other: &Self) {
        self.values.add(&other.values);
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.host_delays.add(&other.host_delays);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.len() == 0
    }

    pub(super) fn min(&self) -> Duration {
        self.min.min(self.max)
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }

    pub(super) fn mean(&self) -> Duration {
        mean(self.total, self.values.len())
    }

    /// The smallest RTT that at least this ratio of them does not exceed, within 0.1 %.
    pub(super) fn quantile(&self, ratio: f64) -> Duration {
        self.values.quantile(ratio).clamp(self.min(), self.max)
    }

    /// The median host delay, if any is known.
    pub(super) fn host_delay(&self) -> Option<Duration> {
        (self.host_delays.len() > 0).then(|| self.host_delays.quantile(0.5))
    }

    /// Ascending values with their counts, within 0.1 %.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Duration, u64)> {
        let clamp = |value: Duration| value.clamp(self.min(), self.max);
        let counts = self.values.counts();
        counts.map(move |(value, count)| (clamp(value), count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Percentiles are within 1 % of the exact ones, whatever the values.
        #[test]
        fn percentiles_are_those_of_the_raw_values(
            // Evenly spread over the orders of magnitude.
            exponents in prop::collection::vec(0.0_f64..9.9, 1..2000),
            share in 0.0_f64..=1.0,
        ) {
            let timeout = Duration::from_secs(10);
            let mut raw: Vec<_> = exponents
                .iter()
                .map(|exponent| Duration::from_secs_f64(10_f64.powf(exponent - 9.0)))
                .collect();
            let mut rtts = Rtts::new(timeout);
            for rtt in &raw {
                rtts.record(*rtt, None);
            }
            raw.sort();
            for share in [share, 0.5, 0.9, 0.99, 0.999] {
                // Nearest rank.
                let reached = |rank: &usize| *rank as f64 >= share * raw.len() as f64;
                let rank = (1..=raw.len()).find(reached).unwrap();
                let exact = raw[rank - 1];
                let found = rtts.quantile(share);
                prop_assert!(
                    found.abs_diff(exact).as_secs_f64() <= 0.01 * exact.as_secs_f64(),
                    "p{}: {found:?} for {exact:?} of {}", share * 100.0, raw.len()
                );
            }
            prop_assert_eq!((rtts.min(), rtts.max()), (raw[0], raw[raw.len() - 1]));
            let total: Duration = raw.iter().sum();
            let mean = total.as_secs_f64() / raw.len() as f64;
            prop_assert!((rtts.mean().as_secs_f64() - mean).abs() <= 1e-9);
            let counted: u64 = rtts.counts().map(|(_, count)| count).sum();
            prop_assert_eq!(counted, raw.len() as u64);
        }
    }

    #[test]
    fn a_value_above_the_bound_is_counted_at_it() {
        let mut rtts = Rtts::new(Duration::from_nanos(1));
        rtts.record(Duration::from_secs(3), Some(Duration::from_secs(1)));
        assert_eq!(rtts.values.len(), 1);
        assert_eq!(rtts.max(), Duration::from_secs(3));
        assert!(rtts.host_delay().is_some());
    }

    #[test]
    fn without_any_value_nothing_is_divided_by_zero() {
        let rtts = Rtts::new(Duration::from_secs(1));
        assert!(rtts.is_empty());
        assert_eq!(rtts.mean(), Duration::ZERO);
        assert_eq!(rtts.quantile(0.5), Duration::ZERO);
        assert_eq!(rtts.host_delay(), None);
        assert_eq!(rtts.counts().count(), 0);
    }
}
