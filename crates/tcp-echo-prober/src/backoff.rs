//! The delay before the next attempt to connect.

use std::time::Duration;

/// The first delay, in nanoseconds.
const FIRST: u64 = 100_000_000;

/// Delays that double from 100 ms to a cap. Each is randomly shortened, by a fifth to a half,
/// so that a fleet does not reconnect in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    /// In nanoseconds, which take half of a `Duration`.
    next: u64,
}

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next delay, of at most `max`.
    pub(crate) fn delay(&mut self, max: Duration) -> Duration {
        let delay = Duration::from_nanos(self.next).min(max);
        self.next = u64::try_from(2 * delay.as_nanos()).unwrap_or(u64::MAX);
        delay.mul_f64(0.5 + 0.3 * fastrand::f64())
    }

    /// The peer has answered: starts over at the first delay.
    pub(crate) const fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_its_cap_and_starts_anew() {
        let max = Duration::from_secs(1);
        let mut backoff = Backoff::new();
        for base in [100, 200, 400, 800, 1000, 1000] {
            let base = Duration::from_millis(base);
            let delay = backoff.delay(max);
            assert!(
                delay >= base / 2 && delay <= base * 4 / 5,
                "{delay:?} of {base:?}"
            );
        }
        backoff.reset();
        assert!(backoff.delay(max) <= Duration::from_millis(80));
        let max = Duration::from_millis(10);
        let mut short = Backoff::new();
        assert!((0..5).all(|_| short.delay(max) <= Duration::from_millis(8)));
    }
}
