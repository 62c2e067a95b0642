//! Moments, as the driver tells them to a session.

use std::time::{Duration, Instant};

use tcp_echo_wire::UnixNanos;

/// One moment by both clocks of the host, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// By the monotonic clock: what every wait and deadline is counted by.
    pub at: Instant,
    /// By the realtime clock: what goes on the wire.
    pub wall: UnixNanos,
}

/// When a reply arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the process had read it, by the monotonic clock.
    pub at: Instant,
    /// When the kernel had received it, by the realtime clock, where it told.
    pub kernel: Option<UnixNanos>,
}

/// A reply's round-trip time, as told by the best clock there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rtt {
    /// The round-trip time to report.
    pub(crate) rtt: Duration,
    /// What the host added on top of it; known only by the kernel's stamp.
    pub(crate) host_delay: Option<Duration>,
}

impl Stamp {
    /// The round-trip time of a probe that left at `sent`.
    ///
    /// The kernel's stamp is compared with the realtime clock only, and it is a
    /// hint: one that is negative or above what the monotonic clock saw tells of a
    /// clock that was set meanwhile, and is dropped.
    pub(crate) fn since(&self, sent: Time) -> Rtt {
        let process = self.at.saturating_duration_since(sent.at);
        self.kernel
            .and_then(|kernel| kernel.0.checked_sub(sent.wall.0))
            .and_then(|nanos| u64::try_from(nanos).ok())
            .map(Duration::from_nanos)
            .filter(|rtt| *rtt <= process)
            .map_or(
                Rtt {
                    rtt: process,
                    host_delay: None,
                },
                |rtt| Rtt {
                    rtt,
                    host_delay: Some(process.saturating_sub(rtt)),
                },
            )
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
mod tests {
    use super::*;

    const WALL: i64 = 1_700_000_000_000_000_000;

    fn rtt(process_micros: u64, kernel: Option<i64>) -> (u128, Option<u128>) {
        let sent = Time {
            at: Instant::now(),
            wall: UnixNanos(WALL),
        };
        let stamp = Stamp {
            at: sent.at + Duration::from_micros(process_micros),
            kernel: kernel.map(|nanos| UnixNanos(WALL.saturating_add(nanos))),
        };
        let rtt = stamp.since(sent);
        (rtt.rtt.as_nanos(), rtt.host_delay.map(|d| d.as_nanos()))
    }

    #[test]
    fn the_kernels_stamp_is_preferred() {
        assert_eq!(rtt(64, Some(36_000)), (36_000, Some(28_000)));
        assert_eq!(rtt(64, Some(64_000)), (64_000, Some(0)));
    }

    #[test]
    fn without_a_stamp_the_monotonic_clock_tells() {
        assert_eq!(rtt(64, None), (64_000, None));
    }

    #[test]
    fn a_clock_that_was_set_is_not_believed() {
        const HOUR: i64 = 3_600_000_000_000;
        for step in [-HOUR, HOUR, -1, 64_001, i64::MAX] {
            assert_eq!(rtt(64, Some(step)), (64_000, None), "{step}");
        }
        let sent = Time {
            at: Instant::now(),
            wall: UnixNanos(i64::MIN),
        };
        let stamp = Stamp {
            at: sent.at,
            kernel: Some(UnixNanos(i64::MAX)),
        };
        assert_eq!(stamp.since(sent).host_delay, None);
    }
}
