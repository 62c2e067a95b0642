//! One packed step of a target's history.

use crate::metrics::native::{self, ZERO_THRESHOLD};

/// The number of heatmap buckets in a step. Each is √2 wide, which is four native buckets. The
/// first holds all RTTs up to 2^−17.5 s (5.4 µs), the last all above 2^1.5 s (2.8 s).
pub(crate) const HEATMAP_BUCKETS: usize = 40;

/// The number of native buckets below the four of the first heatmap bucket, which counts
/// them too.
const BUCKETS_BELOW: usize = 16;

/// The quantiles that a step stores.
pub(crate) const QUANTILES: [f64; 4] = [0.1, 0.5, 0.9, 0.99];

/// What happened to a target in one step, in 36 bytes. Counts saturate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// Two buckets a byte: 0 if empty, else 1 + log2 of the count.
    heatmap: [u8; HEATMAP_BUCKETS / 2],
    quantiles: [Rtt; QUANTILES.len()],
    pub(crate) received: u16,
    /// Without those missed by this host.
    pub(crate) lost: u16,
    /// Slots that this host missed.
    pub(crate) missed: u16,
    pub(crate) connects: u8,
    pub(crate) disconnects: u8,
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

/// The counts of a step before it is packed.
#[derive(Debug, Default)]
pub(crate) struct StepCounts<'a> {
    /// The counts of the native histogram.
    pub(crate) native: &'a [u32],
    pub(crate) lost: u64,
    pub(crate) missed: u64,
    pub(crate) connects: u64,
    pub(crate) disconnects: u64,
}

impl Step {
    pub(crate) fn pack(counted: &StepCounts<'_>) -> Self {
        let mut heatmap = [0_u32; HEATMAP_BUCKETS];
        for (position, count) in counted.native.iter().enumerate() {
            let bucket = position.saturating_sub(1 + BUCKETS_BELOW) / 4;
            let bucket = &mut heatmap[bucket.min(HEATMAP_BUCKETS - 1)];
            *bucket = bucket.saturating_add(*count);
        }
        let received: u64 = counted.native.iter().map(|count| u64::from(*count)).sum();
        let mut step = Self {
            quantiles: QUANTILES.map(|q| quantile(counted.native, q).map_or(Rtt(0), Rtt::of)),
            received: u16::try_from(received).unwrap_or(u16::MAX),
            lost: u16::try_from(counted.lost).unwrap_or(u16::MAX),
            missed: u16::try_from(counted.missed).unwrap_or(u16::MAX),
            connects: u8::try_from(counted.connects).unwrap_or(u8::MAX),
            disconnects: u8::try_from(counted.disconnects).unwrap_or(u8::MAX),
            ..Self::default()
        };
        for (index, count) in heatmap.into_iter().enumerate() {
            let level = count.checked_ilog2().map_or(0, |log| (1 + log).min(15));
            #[expect(clippy::cast_possible_truncation, reason = "at most 15")]
            let level = level as u8;
            step.heatmap[index / 2] |= level << (index % 2 * 4);
        }
        step
    }

    /// Returns the count of a heatmap bucket, rounded down to a power of two.
    pub(crate) fn heatmap_count(&self, bucket: usize) -> u32 {
        let level = self.heatmap[bucket / 2] >> (bucket % 2 * 4) & 15;
        if level == 0 { 0 } else { 1 << (level - 1) }
    }

    /// Returns the RTT at one of [`QUANTILES`].
    pub(crate) fn quantile(&self, index: usize) -> Option<f64> {
        self.quantiles[index].seconds()
    }

    pub(crate) fn median(&self) -> Rtt {
        self.quantiles[1]
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

    fn part(&self, of: u16) -> Option<f64> {
        let outcomes = [self.received, self.lost, self.missed].map(u32::from);
        let outcomes: u32 = outcomes.iter().sum();
        (outcomes > 0).then(|| f64::from(of) / f64::from(outcomes))
    }
}

/// Returns the upper bound of a heatmap bucket, in seconds.
pub(crate) fn heatmap_bound(bucket: usize) -> f64 {
    (bucket as f64 / 2.0 - 17.5).exp2()
}

/// Returns a quantile of a native histogram, in seconds.
pub(crate) fn quantile(native: &[u32], q: f64) -> Option<f64> {
    let counts = native.iter().map(|count| u64::from(*count));
    native::quantile(counts.enumerate(), q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(rtts: &[f64]) -> Vec<u32> {
        let mut native = vec![0; 209];
        for rtt in rtts {
            native[native::bucket(*rtt)] += 1;
        }
        native
    }

    #[test]
    fn a_step_keeps_what_happened() {
        let rtts: Vec<f64> = (1..=1000).map(|n| f64::from(n) / 1e4).collect();
        let step = Step::pack(&StepCounts {
            native: &native(&rtts),
            lost: 200,
            missed: 50,
            connects: 1,
            disconnects: 300,
        });
        for (index, q) in QUANTILES.iter().enumerate() {
            let kept = step.quantile(index).unwrap();
            assert!((kept / (q / 10.0) - 1.0).abs() < 0.05, "{q}: {kept}");
        }
        assert_eq!((step.loss(), step.missed()), (Some(0.16), Some(0.04)));
        assert_eq!((step.connects, step.disconnects), (1, 255));
        let heat: u32 = (0..HEATMAP_BUCKETS)
            .map(|bucket| step.heatmap_count(bucket))
            .sum();
        assert!((500..=1000).contains(&heat), "{heat}");
    }

    #[test]
    fn an_rtt_lies_within_its_heatmap_bucket() {
        for rtt in [1e-7, 5e-6, 1e-5, 1.3e-4, 0.02, 0.9, 2.0, 60.0] {
            let step = Step::pack(&StepCounts {
                native: &native(&[rtt]),
                ..StepCounts::default()
            });
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
        let step = Step::pack(&StepCounts::default());
        assert_eq!((step.quantile(0), step.loss()), (None, None));
        assert_eq!(
            (0..HEATMAP_BUCKETS)
                .map(|bucket| step.heatmap_count(bucket))
                .max(),
            Some(0)
        );
    }
}
