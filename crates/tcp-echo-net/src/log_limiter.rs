//! A limit on log lines.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::RateLimiter;

/// Limits how often a line is logged: it allows a burst, and from then on one line per
/// interval. For a line that is logged once in a process, use [`std::sync::Once`].
#[derive(Debug)]
pub struct LogLimiter(Mutex<State>);

#[derive(Debug)]
struct State {
    lines: RateLimiter,
    /// Whether lines were omitted since the whole burst was available.
    omits: bool,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDecision {
    /// It is logged.
    Log,
    /// It is the first omitted line: the log should mention that lines are omitted.
    OmitFirst,
    /// It is omitted, like others before.
    Omit,
}

impl LogLimiter {
    /// Allows `burst` lines at once, and one more per `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self(Mutex::new(State {
            lines: RateLimiter::new(burst, interval),
            omits: false,
        }))
    }

    /// Whether a line may be logged at `now`. The caller then logs it.
    pub fn allows(&self, now: Instant) -> bool {
        self.check(now) == LogDecision::Log
    }

    /// As [`allows`](Self::allows), for a log that mentions omitted lines.
    pub fn check(&self, now: Instant) -> LogDecision {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.is_full(now) {
            state.omits = false;
        }
        if state.lines.allows(now) {
            LogDecision::Log
        } else if std::mem::replace(&mut state.omits, true) {
            LogDecision::Omit
        } else {
            LogDecision::OmitFirst
        }
    }
}

/// One line per minute.
impl Default for LogLimiter {
    fn default() -> Self {
        Self::new(1, Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use super::{LogDecision::*, *};

    #[test]
    fn the_first_omitted_line_is_reported_until_the_whole_burst_is_available() {
        let start = Instant::now();
        let limiter = LogLimiter::new(3, Duration::from_secs(1));
        let check = |seconds| limiter.check(start + Duration::from_secs(seconds));
        assert_eq!([0; 5].map(check), [Log, Log, Log, OmitFirst, Omit]);
        assert_eq!([2; 4].map(check), [Log, Log, Omit, Omit]);
        assert_eq!([1000; 5].map(check), [Log, Log, Log, OmitFirst, Omit]);
    }

    #[test]
    fn one_line_per_minute() {
        let start = Instant::now();
        let limiter = LogLimiter::default();
        let allowed =
            (0..180).filter(|second| limiter.allows(start + Duration::from_secs(*second)));
        assert_eq!(allowed.collect::<Vec<_>>(), [0, 60, 120]);
    }
}
