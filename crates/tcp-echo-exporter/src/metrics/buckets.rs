//! The buckets of classic histograms.

use std::{sync::Arc, time::Duration};

/// The upper bounds of a histogram's buckets, in rising order; the bucket that
/// takes the rest, `+Inf`, is not among them.
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_exporter::Buckets;
///
/// let buckets = Buckets::new([1, 5, 20].map(Duration::from_millis))?;
/// assert_eq!(buckets.bounds().count(), 3);
/// assert_eq!(Buckets::default().bounds().last(), Some(Duration::from_nanos(1_638_400_000)));
/// assert!(Buckets::new([]).is_err());
/// # Ok::<(), tcp_echo_exporter::BucketsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    nanos: Arc<[u64]>,
}

/// The maximum number of bounds. Each is a series of every target.
const MAX_BOUNDS: usize = 100;

impl Buckets {
    /// Creates buckets with these upper bounds.
    ///
    /// # Errors
    /// [`BucketsError`] if there are none or more than 100, or if they don't increase from
    /// above 0.
    pub fn new(bounds: impl IntoIterator<Item = Duration>) -> Result<Self, BucketsError> {
        let mut nanos: Vec<u64> = Vec::new();
        for bound in bounds {
            let above = nanos.last().copied().unwrap_or(0);
            match u64::try_from(bound.as_nanos()) {
                Ok(bound) if bound > above => nanos.push(bound),
                _ => return Err(BucketsError::Order(bound)),
            }
        }
        if nanos.is_empty() || nanos.len() > MAX_BOUNDS {
            return Err(BucketsError::Number(nanos.len()));
        }
        Ok(Self {
            nanos: nanos.into(),
        })
    }

    /// Returns the upper bounds, without `+Inf`.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = Duration> + '_ {
        self.nanos.iter().copied().map(Duration::from_nanos)
    }

    /// Creates `number` bounds from `first` nanoseconds on, each `factor` times the previous
    /// one.
    pub(crate) fn exponential(first: u64, factor: u64, number: usize) -> Self {
        let bounds = std::iter::successors(Some(first), |bound| bound.checked_mul(factor));
        Self {
            nanos: bounds.take(number).collect(),
        }
    }

    /// Creates buckets without a bound: one that takes everything.
    pub(crate) fn unbounded() -> Self {
        Self { nanos: [].into() }
    }

    /// Returns the number of buckets, including `+Inf`.
    pub(crate) fn len(&self) -> usize {
        self.nanos.len() + 1
    }

    /// Returns the index of the bucket that a duration falls into. Bounds are inclusive.
    #[inline]
    pub(crate) fn index(&self, nanos: u64) -> usize {
        self.nanos.partition_point(|bound| *bound < nanos)
    }

    /// Returns the upper bounds in seconds, including `+Inf`.
    pub(crate) fn seconds(&self) -> impl Iterator<Item = f64> + '_ {
        let bounds = self.nanos.iter().map(|nanos| seconds(*nanos));
        bounds.chain([f64::INFINITY])
    }
}

impl Default for Buckets {
    /// 15 bounds: 100 µs, doubled up to 1.6384 s.
    fn default() -> Self {
        Self::exponential(100_000, 2, 15)
    }
}

/// Converts nanoseconds to the nearest number of seconds, so that a bound prints as it was
/// written.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Why bounds are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketsError {
    /// There are none, or too many.
    #[error("{0} bucket bounds, where 1 to {MAX_BOUNDS} are wanted")]
    Number(usize),
    /// The bound is not above the previous one, or not above 0.
    #[error("the bucket bound {0:?} is not above the one before it, or not above 0")]
    Order(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bounds_print_exactly() {
        let bounds: Vec<String> = Buckets::default()
            .seconds()
            .map(|s| s.to_string())
            .collect();
        let expected = [
            "0.0001", "0.0002", "0.0004", "0.0008", "0.0016", "0.0032", "0.0064", "0.0128",
            "0.0256", "0.0512", "0.1024", "0.2048", "0.4096", "0.8192", "1.6384", "inf",
        ];
        assert_eq!(bounds, expected);
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let buckets = Buckets::new([10, 20].map(Duration::from_nanos)).unwrap();
        let indices = [0, 10, 11, 20, 21, u64::MAX].map(|nanos| buckets.index(nanos));
        assert_eq!(indices, [0, 0, 1, 1, 2, 2]);
        assert_eq!(buckets.len(), 3);
    }

    #[test]
    fn bounds_rise() {
        let of = |millis: &[u64]| Buckets::new(millis.iter().copied().map(Duration::from_millis));
        assert_eq!(of(&[]), Err(BucketsError::Number(0)));
        assert_eq!(of(&[0]), Err(BucketsError::Order(Duration::from_millis(0))));
        assert_eq!(
            of(&[2, 2]),
            Err(BucketsError::Order(Duration::from_millis(2)))
        );
        assert_eq!(
            of(&(1..=101).collect::<Vec<_>>()),
            Err(BucketsError::Number(101))
        );
        assert_eq!(
            Buckets::new([Duration::MAX]),
            Err(BucketsError::Order(Duration::MAX))
        );
    }
}
