//! Moments, as the driver tells them to a session.

use std::time::{Duration, Instant};

use tcp_echo_wire::UnixNanos;

/// One moment by both clocks of the host.
///
/// Read them back to back, **the realtime clock first**. An RTT is counted from one `at`
/// to another, so a step of the realtime clock between the two readings of a `Time`
/// changes none. A process that loses its processor between the two readings of a probe
/// changes none either, since `at` is the nearer to the write; between those of a reply
/// it lengthens the RTT by the pause, as it would right before them.
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
    /// When the process had read it, by both clocks.
    pub read: Time,
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

/// The least difference between the clocks that is a step of the realtime clock. Less is
/// the time between the readings of a [`Time`]; the clocks are slewed together.
const LEAST_STEP: i64 = 1_000_000;

impl Stamp {
    /// The round-trip time of a probe that left at `sent`: what the monotonic clock saw,
    /// less what the reply had waited to be read.
    ///
    /// The wait is the one thing that the realtime clock measures, and it is short: a
    /// clock that is set while the probe is under way changes nothing. The kernel's stamp
    /// is a hint all the same; one that is not between the two monotonic readings is
    /// dropped.
    pub(crate) fn since(&self, sent: Time) -> Rtt {
        let process = self.read.at.saturating_duration_since(sent.at);
        let host_delay = self.waited(sent, process).filter(|wait| *wait <= process);
        Rtt {
            rtt: process.saturating_sub(host_delay.unwrap_or_default()),
            host_delay,
        }
    }

    /// How long the reply lay in the kernel before it was read, if that can be told.
    fn waited(&self, sent: Time, process: Duration) -> Option<Duration> {
        let wall = self.read.wall.0;
        let mut waited = wall.checked_sub(self.kernel?.0)?;
        // A clock that was set forward during the wait itself makes it look longer, and the
        // RTT shorter than it was. That step is known from the probe's two readings of both
        // clocks. It may as well have come before, while the process was paused: of the two
        // the shorter wait is taken, so that an RTT is never below the truth.
        let process = i64::try_from(process.as_nanos()).ok()?;
        let step = wall.checked_sub(sent.wall.0)?.checked_sub(process)?;
        if step >= LEAST_STEP && step <= waited {
            waited -= step;
        }
        u64::try_from(waited).ok().map(Duration::from_nanos)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
mod tests {
    use super::*;

    const WALL: i64 = 1_700_000_000_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;
    const MS: i64 = 1_000_000;

    fn nanos(nanos: i64) -> Duration {
        Duration::from_nanos(nanos.try_into().unwrap())
    }

    /// A probe whose reply arrives after `rtt` and is read after `wait` more, all in
    /// nanoseconds. The clock is set by `early` before it arrives, by `late` while it waits.
    fn seen(rtt: i64, wait: i64, early: i64, late: i64) -> Rtt {
        let sent = Time {
            at: Instant::now(),
            wall: UnixNanos(WALL),
        };
        let stamp = Stamp {
            read: Time {
                at: sent.at + nanos(rtt + wait),
                wall: UnixNanos(WALL + rtt + wait + early + late),
            },
            kernel: Some(UnixNanos(WALL + rtt + early)),
        };
        stamp.since(sent)
    }

    fn told(rtt: i64, wait: i64) -> Rtt {
        Rtt {
            rtt: nanos(rtt),
            host_delay: Some(nanos(wait)),
        }
    }

    #[test]
    fn the_kernels_stamp_is_preferred() {
        assert_eq!(seen(36_000, 28_000, 0, 0), told(36_000, 28_000));
        assert_eq!(seen(64_000, 0, 0, 0), told(64_000, 0));
        assert_eq!(seen(0, 64_000, 0, 0), told(0, 64_000));
    }

    #[test]
    fn without_a_stamp_the_monotonic_clock_tells() {
        let sent = Time {
            at: Instant::now(),
            wall: UnixNanos(WALL),
        };
        let read = Time {
            at: sent.at + nanos(64_000),
            wall: UnixNanos(WALL + HOUR),
        };
        let rtt = Stamp { read, kernel: None }.since(sent);
        assert_eq!((rtt.rtt, rtt.host_delay), (nanos(64_000), None));
    }

    /// Whatever the step and whenever it comes, the RTT is never below the truth, and above
    /// it by no more than the reply waited.
    #[test]
    fn a_clock_that_is_set_changes_nothing() {
        let steps = [-HOUR, -50 * MS, -MS, -1, 1, MS, 50 * MS, HOUR];
        for rtt in [36_000, 3 * MS, 350 * MS] {
            for wait in [0, 28_000, 2 * MS, 200 * MS] {
                for step in steps {
                    let name = format!("rtt {rtt} wait {wait} step {step}");
                    let before = seen(rtt, wait, step, 0);
                    let during = seen(rtt, wait, 0, step);
                    for seen in [before, during] {
                        let beyond = seen
                            .rtt
                            .checked_sub(nanos(rtt))
                            .map(|over| over <= nanos(wait));
                        // Less than a step is what a reading may be off by.
                        let tiny =
                            step.abs() < LEAST_STEP && seen.rtt.abs_diff(nanos(rtt)) <= nanos(1);
                        assert!(beyond == Some(true) || tiny, "{name}: {seen:?}");
                    }
                    // A reply that was read sooner than the step is long is told exactly.
                    if step <= 0 || wait < step {
                        assert_eq!(before, told(rtt, wait), "{name}");
                    }
                    if step >= LEAST_STEP {
                        assert_eq!(during, told(rtt, wait), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_stamp_that_can_not_be_is_dropped() {
        let sent = Time {
            at: Instant::now(),
            wall: UnixNanos(WALL),
        };
        let since = |wall: i64, kernel: i64| {
            let read = Time {
                at: sent.at + nanos(64_000),
                wall: UnixNanos(wall),
            };
            let kernel = Some(UnixNanos(kernel));
            Stamp { read, kernel }.since(sent)
        };
        let process = Rtt {
            rtt: nanos(64_000),
            host_delay: None,
        };
        let wall = WALL + 64_000;
        for kernel in [
            wall + 1,
            wall - 64_001,
            wall + HOUR,
            wall - HOUR,
            i64::MAX,
            i64::MIN,
        ] {
            assert_eq!(since(wall, kernel), process, "{kernel}");
        }
        assert_eq!(since(i64::MIN, i64::MAX), process);
        assert_eq!(since(i64::MAX, i64::MIN), process);
    }
}
