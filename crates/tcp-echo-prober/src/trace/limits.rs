//! How long a trace may take, and how many there may be.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tcp_echo_net::RateLimiter;

/// How long a trace waits, and when it gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLimits {
    /// The round-trip time to the destination, if known. A hop is silent after twice this time, and
    /// after at least [`MIN_WAIT`](Self::MIN_WAIT). Without it, hops that are further away than that
    /// look silent, and the destination looks further by a hop or more.
    pub smoothed_rtt: Option<Duration>,
    /// Whether the path loses packets, but is not dead: a silent hop is tried twice.
    pub is_lossy: bool,
    /// How many silent hops in a row end the trace.
    pub max_silent: u8,
    /// How long all of it may take.
    pub time: Duration,
}

impl TraceLimits {
    /// Those of a flow that is about to connect: 5 s, and up to three routers in a row that never
    /// answer.
    pub const AT_CONNECT: Self = Self {
        smoothed_rtt: None,
        is_lossy: false,
        max_silent: 4,
        time: Duration::from_secs(5),
    };

    /// Those of a flow from which nothing comes back: 1 s, and one silent router between two that
    /// answer.
    pub const AFTER_STALL: Self = Self {
        smoothed_rtt: None,
        is_lossy: false,
        max_silent: 2,
        time: Duration::from_secs(1),
    };

    /// How many hops are tried at most.
    pub const MAX_HOPS: u8 = 30;

    /// How long a trace waits for an answer at least.
    pub const MIN_WAIT: Duration = Duration::from_millis(300);

    /// How long to wait for an answer, when the longest round-trip time so far was `longest`.
    pub(super) fn wait(&self, longest: Duration) -> Duration {
        let rtt = self.smoothed_rtt.unwrap_or_default().max(longest);
        Self::MIN_WAIT.max(rtt.saturating_mul(2))
    }
}

/// Limits the traces of a process: two at once, and two a second.
#[derive(Debug)]
pub struct TracePace(Mutex<RateLimiter>);

impl TracePace {
    const BURST: u32 = 2;
    const INTERVAL: Duration = Duration::from_millis(500);

    /// Allows the first two at once.
    pub const fn new() -> Self {
        Self(Mutex::new(RateLimiter::new(Self::BURST, Self::INTERVAL)))
    }

    /// Whether a trace may begin now; it counts then.
    pub fn try_take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut limiter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.allows(now)
    }
}

impl Default for TracePace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_twice_the_longest_round_trip() {
        let millis = Duration::from_millis;
        let limits = TraceLimits {
            smoothed_rtt: Some(millis(200)),
            ..TraceLimits::AFTER_STALL
        };
        assert_eq!(limits.wait(Duration::ZERO), millis(400));
        assert_eq!(limits.wait(millis(250)), millis(500));
        let unknown = TraceLimits::AFTER_STALL;
        assert_eq!(unknown.wait(millis(1)), millis(300));
        assert_eq!(unknown.wait(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn two_traces_a_second() {
        let (pace, start) = (TracePace::new(), Instant::now());
        let taken = |from: u64, to: u64| {
            (from..to)
                .filter(|at| pace.take_at(start + Duration::from_millis(*at)))
                .count()
        };
        assert_eq!(taken(0, 10), 2);
        assert_eq!(taken(10, 10_000), 19);
    }
}
