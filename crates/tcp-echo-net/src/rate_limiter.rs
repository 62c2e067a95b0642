//! A rate with bursts.

use std::time::{Duration, Instant};

/// A token bucket: it allows a burst of events, and from then on one per interval.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tcp_echo_net::RateLimiter;
///
/// let mut limiter = RateLimiter::new(2, Duration::from_secs(1));
/// let now = Instant::now();
/// assert_eq!([(); 3].map(|()| limiter.allows(now)), [true, true, false]);
/// let later = now + Duration::from_secs(1);
/// assert_eq!([(); 2].map(|()| limiter.allows(later)), [true, false]);
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter {
    burst: u32,
    interval: Duration,
    /// When the bucket is full again.
    full_at: Option<Instant>,
}

impl RateLimiter {
    /// A full bucket of `burst` tokens, which gets one more per `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            full_at: None,
        }
    }

    /// Takes a token, if there is one at `now`.
    pub fn allows(&mut self, now: Instant) -> bool {
        let capacity = self.interval.saturating_mul(self.burst);
        let from = self.full_at.map_or(now, |at| at.max(now));
        // An instant beyond the range of the clock is beyond every capacity.
        let Some(next) = from.checked_add(self.interval) else {
            return false;
        };
        let allowed = next.saturating_duration_since(now) <= capacity;
        if allowed {
            self.full_at = Some(next);
        }
        allowed
    }

    /// Whether the whole burst is available at `now`.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_per_interval() {
        let interval = Duration::from_millis(100);
        let mut limiter = RateLimiter::new(3, interval);
        let start = Instant::now();
        let mut taken = |now| (0..10).filter(|_| limiter.allows(now)).count();
        assert_eq!(taken(start), 3);
        assert_eq!(taken(start + interval / 2), 0);
        assert_eq!(taken(start + interval), 1);
        assert_eq!(taken(start + interval * 3), 2);
        assert_eq!(taken(start + interval * 1_000), 3);
    }

    #[test]
    fn it_is_full_again_after_as_many_intervals_as_were_taken() {
        let interval = Duration::from_millis(100);
        let mut limiter = RateLimiter::new(3, interval);
        let start = Instant::now();
        assert!(limiter.is_full(start));
        assert!(limiter.allows(start) && limiter.allows(start));
        assert!(!limiter.is_full(start + interval));
        assert!(limiter.is_full(start + 2 * interval));
    }

    #[test]
    fn a_long_interval_does_not_overflow() {
        let mut limiter = RateLimiter::new(3, Duration::MAX);
        assert!(!limiter.allows(Instant::now()));
    }
}
