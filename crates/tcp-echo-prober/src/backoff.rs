//! The delay before the next attempt to connect.

use std::time::Duration;

/// The first delay.
const FIRST: Duration = Duration::from_millis(100);

/// Delays that double from 100 ms to a cap. Each is randomly shortened, by a fifth to a half,
/// so that a fleet does not reconnect in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(max: Duration) -> Self {
        Self {
            next: FIRST.min(max),
            max,
        }
    }

    /// The next delay.
    pub(crate) fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (2 * delay).min(self.max);
        delay.mul_f64(0.5 + 0.3 * fastrand::f64())
    }

    /// The peer has answered: starts over at the first delay.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_its_cap_and_starts_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        for base in [100, 200, 400, 800, 1000, 1000] {
            let base = Duration::from_millis(base);
            let delay = backoff.delay();
            assert!(
                delay >= base / 2 && delay <= base * 4 / 5,
                "{delay:?} of {base:?}"
            );
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(80));
        let mut short = Backoff::new(Duration::from_millis(10));
        assert!((0..5).all(|_| short.delay() <= Duration::from_millis(8)));
    }
}
