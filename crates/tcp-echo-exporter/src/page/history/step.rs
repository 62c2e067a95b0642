//! One step of a target's history.

use super::ways::Ways;
use crate::metrics::native::{self, ZERO_THRESHOLD};

/// The number of heatmap buckets in a step. Each is √2 wide, which is four native buckets. The
/// first holds all RTTs up to 2^−17.5 s (5.4 µs), the last all above 2^1.5 s (2.8 s).
pub(crate) const HEATMAP_BUCKETS: usize = 40;

/// The number of native buckets below the four of the first heatmap bucket, which counts
/// them too.
const BUCKETS_BELOW: usize = 16;

/// The quantiles of a step: p10, the median and p90 are drawn.
pub(crate) const QUANTILES: [f64; 4] = [0.1, 0.5, 0.9, 0.99];

/// What happened to a target in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// The buckets of the native histogram that are not empty, in increasing order, and the count
    /// of each.
    pub(crate) counts: Vec<(u8, u32)>,
    pub(crate) received: u32,
    /// Without those missed by this host.
    pub(crate) lost: u32,
    /// Slots that this host missed.
    pub(crate) missed: u32,
    pub(crate) connects: u32,
    pub(crate) disconnects: u32,
    pub(crate) ways: Ways,
}

/// A logarithmic RTT: 0 for none, else in units of 1/2048 of a doubling (0.03 %) above 2^−20 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rtt(u16);

const PARTS: f64 = 2048.0;

impl Rtt {
    pub(crate) fn of(seconds: f64) -> Self {
        let parts = (seconds / ZERO_THRESHOLD).log2() * PARTS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the type's range"
        )]
        Self(1 + parts.round().clamp(0.0, 65_534.0) as u16)
    }

    pub(crate) fn seconds(self) -> Option<f64> {
        let parts = self.0.checked_sub(1)?;
        Some((f64::from(parts) / PARTS).exp2() * ZERO_THRESHOLD)
    }
}

impl Step {
    /// Adds what happened in another step.
    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            match self.counts.binary_search_by_key(bucket, |(own, _)| *own) {
                Ok(found) => {
                    let own = &mut self.counts[found].1;
                    *own = own.saturating_add(*count);
                }
                Err(place) => self.counts.insert(place, (*bucket, *count)),
            }
        }
        for (own, other) in [
            (&mut self.received, other.received),
            (&mut self.lost, other.lost),
            (&mut self.missed, other.missed),
            (&mut self.connects, other.connects),
            (&mut self.disconnects, other.disconnects),
        ] {
            *own = own.saturating_add(other);
        }
        self.ways.add(&other.ways);
    }

    /// Returns the number of replies in the histogram.
    pub(crate) fn replies(&self) -> u32 {
        let counts = self.counts.iter();
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Returns the count of a heatmap bucket, rounded down to a power of two.
    pub(crate) fn heatmap_count(&self, bucket: usize) -> u32 {
        let counts = self.counts.iter();
        let own = counts.filter(|(native, _)| heatmap_bucket(usize::from(*native)) == bucket);
        let count = own.fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        count.checked_ilog2().map_or(0, |log| 1 << log)
    }

    /// Returns the RTT at one of [`QUANTILES`].
    pub(crate) fn quantile(&self, index: usize) -> Option<f64> {
        quantile(&self.counts, *QUANTILES.get(index)?)
    }

    pub(crate) fn median(&self) -> Rtt {
        quantile(&self.counts, 0.5).map_or(Rtt(0), Rtt::of)
    }

    /// Returns the fraction of outcomes that were lost and not missed by this host; `None`
    /// without outcomes.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.part(self.lost)
    }

    /// Returns the fraction that this host missed.
    pub(crate) fn missed(&self) -> Option<f64> {
        self.part(self.missed)
    }

    fn part(&self, of: u32) -> Option<f64> {
        let outcomes = [self.received, self.lost, self.missed].map(u64::from);
        let outcomes: u64 = outcomes.iter().sum();
        (outcomes > 0).then(|| f64::from(of) / outcomes as f64)
    }
}

/// Returns the upper bound of a heatmap bucket, in seconds.
pub(crate) fn heatmap_bound(bucket: usize) -> f64 {
    (bucket as f64 / 2.0 - 17.5).exp2()
}

/// Returns the heatmap bucket of a native bucket.
fn heatmap_bucket(native: usize) -> usize {
    (native.saturating_sub(1 + BUCKETS_BELOW) / 4).min(HEATMAP_BUCKETS - 1)
}

/// Returns a quantile of a native histogram, in seconds.
pub(crate) fn quantile(counts: &[(u8, u32)], q: f64) -> Option<f64> {
    let counts = counts.iter();
    native::quantile(
        counts.map(|(bucket, count)| (usize::from(*bucket), u64::from(*count))),
        q,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rtts: &[f64]) -> Step {
        let mut counts = std::collections::BTreeMap::new();
        for rtt in rtts {
            let bucket = u8::try_from(native::bucket(*rtt)).unwrap();
            *counts.entry(bucket).or_default() += 1;
        }
        let mut step = Step {
            counts: counts.into_iter().collect(),
            ..Step::default()
        };
        step.received = step.replies();
        step
    }

    #[test]
    fn a_step_is_as_the_replies_in_it() {
        let rtts: Vec<f64> = (1..=1000).map(|n| f64::from(n) / 1e4).collect();
        let step = Step {
            lost: 200,
            missed: 50,
            ..step(&rtts)
        };
        for (index, q) in QUANTILES.iter().enumerate() {
            let kept = step.quantile(index).unwrap();
            assert!((kept / (q / 10.0) - 1.0).abs() < 0.05, "{q}: {kept}");
        }
        assert_eq!((step.loss(), step.missed()), (Some(0.16), Some(0.04)));
        let heat: u32 = (0..HEATMAP_BUCKETS)
            .map(|bucket| step.heatmap_count(bucket))
            .sum();
        assert!((500..=1000).contains(&heat), "{heat}");
    }

    #[test]
    fn steps_add_up() {
        let (one, other) = ([0.001, 0.02, 0.02], [0.002, 0.02, 0.5]);
        let mut sum = Step {
            lost: 1,
            connects: u32::MAX,
            ..step(&one)
        };
        sum.add(&Step {
            missed: 2,
            connects: 1,
            ..step(&other)
        });
        let all = Step {
            lost: 1,
            missed: 2,
            connects: u32::MAX,
            ..step(&[one, other].concat())
        };
        assert_eq!(sum, all);
    }

    #[test]
    fn an_rtt_lies_within_its_heatmap_bucket() {
        for rtt in [1e-7, 5e-6, 1e-5, 1.3e-4, 0.02, 0.9, 2.0, 60.0] {
            let step = step(&[rtt]);
            let bucket = (0..HEATMAP_BUCKETS)
                .find(|bucket| step.heatmap_count(*bucket) > 0)
                .unwrap();
            assert!(
                rtt <= heatmap_bound(bucket) || bucket == HEATMAP_BUCKETS - 1,
                "{rtt}"
            );
            assert!(bucket == 0 || rtt > heatmap_bound(bucket - 1), "{rtt}");
            let median = step.median().seconds().unwrap();
            assert!(
                (median / rtt.max(1e-6)).log2().abs() < 0.13,
                "{rtt}: {median}"
            );
        }
    }

    #[test]
    fn an_empty_step_has_no_values() {
        let step = Step::default();
        assert_eq!((step.quantile(0), step.loss()), (None, None));
        assert_eq!(
            (0..HEATMAP_BUCKETS)
                .map(|bucket| step.heatmap_count(bucket))
                .max(),
            Some(0)
        );
    }
}
