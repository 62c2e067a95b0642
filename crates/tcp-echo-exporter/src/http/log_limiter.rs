//! Log lines that would come too often.

use std::time::{Duration, Instant};

/// How long there are no further lines after one.
const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one line through in a minute.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    quiet_until: Option<Instant>,
}

impl LogLimiter {
    /// Whether a line may be written at `now`, which is then taken to be written.
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
