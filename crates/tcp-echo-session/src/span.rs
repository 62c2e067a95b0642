//! Durations in half the memory.

use std::time::Duration;

/// A duration of up to 136 years, in 8 bytes where a [`Duration`] takes 16: each target has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    seconds: u32,
    nanos: u32,
}

impl Span {
    /// A longer duration is cut short.
    pub(crate) fn new(duration: Duration) -> Self {
        Self {
            seconds: u32::try_from(duration.as_secs()).unwrap_or(u32::MAX),
            nanos: duration.subsec_nanos(),
        }
    }

    #[inline]
    pub(crate) const fn get(self) -> Duration {
        Duration::new(self.seconds as u64, self.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_comes_back() {
        for duration in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_nanos(86_399_999_999_999),
            Duration::from_secs(3 * 86_400),
        ] {
            assert_eq!(Span::new(duration).get(), duration);
        }
    }
}
