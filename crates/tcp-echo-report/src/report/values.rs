//! Histograms of durations, in constant memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Durations in nanoseconds. The histogram has its full size from the start, so that recording
/// does not allocate; the system commits memory only where values fall.
///
/// The library accepts every bound and number of figures above, but returns a result, which
/// `Observer::attach` can't, hence the option.
#[derive(Clone, Debug)]
pub(super) struct Values(Option<Histogram<u32>>);

impl Values {
    pub(super) fn up_to(limit: Duration, figures: u8) -> Self {
        // The library requires a bound of at least 2.
        Self(Histogram::new_with_bounds(1, nanos(limit).max(2), figures).ok())
    }

    #[inline]
    pub(super) fn record(&mut self, value: Duration) {
        if let Some(values) = &mut self.0 {
            values.saturating_record(nanos(value));
        }
    }

    /// Adds the values of another one of the same limit.
    pub(super) fn add(&mut self, other: &Self) {
        if let (Some(values), Some(other)) = (&mut self.0, &other.0) {
            // It fails if the limits differ.
            let _ = values.add(other);
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    pub(super) fn quantile(&self, ratio: f64) -> Duration {
        let nanos = self
            .0
            .as_ref()
            .map_or(0, |values| values.value_at_quantile(ratio));
        Duration::from_nanos(nanos)
    }

    /// Ascending values with their counts: the middle of the values that share a count.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Duration, u64)> {
        let recorded = self.0.iter().flat_map(Histogram::iter_recorded);
        recorded.map(|step| {
            let value = Duration::from_nanos(step.value_iterated_to());
            (value, u64::from(step.count_at_value()))
        })
    }
}

/// The mean of `count` durations, or 0 without any.
pub(super) fn mean(total: Duration, count: u64) -> Duration {
    let count = u128::from(count.max(1));
    let nanos = (total.as_nanos() + count / 2) / count;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
