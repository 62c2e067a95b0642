//! Rate limiting of log messages.

use std::time::{Duration, Instant};

/// The minimum time between two messages.
const INTERVAL: Duration = Duration::from_secs(60);

/// Allows one message a minute.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    quiet_until: Option<Instant>,
}

impl LogLimiter {
    /// Returns whether a message may be logged at `now`, and counts it as logged if so.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let allowed = self.quiet_until.is_none_or(|until| now >= until);
        if allowed {
            self.quiet_until = Some(now + INTERVAL);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute() {
        let start = Instant::now();
        let mut limiter = LogLimiter::default();
        let allowed =
            (0..180).filter(|second| limiter.allows(start + Duration::from_secs(*second)));
        assert_eq!(allowed.collect::<Vec<_>>(), [0, 60, 120]);
    }
}
