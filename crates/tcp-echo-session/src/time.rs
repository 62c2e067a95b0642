//! Times that a driver passes to a session.

use std::time::{Duration, Instant};

use tcp_echo_wire::UnixNanos;

/// A point in time, by both clocks of the host.
///
/// Read them back to back, **the realtime clock first**. An RTT is the difference of two `at`,
/// so a step of the realtime clock between the two readings does not change it. Nor does a
/// process that is descheduled between the two readings of a probe, since `at` is closer to the
/// write. Between those of a reply the pause adds to the RTT, as it would right before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// By the monotonic clock, for waits and deadlines.
    pub at: Instant,
    /// By the realtime clock, for the wire.
    pub wall: UnixNanos,
}

/// When a reply arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When the process has read it, by both clocks.
    pub read: Time,
    /// When the kernel has received it, by the realtime clock, if known.
    pub kernel: Option<UnixNanos>,
}

/// A reply's round-trip time, by the best clock available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rtt {
    /// The round-trip time to report.
    pub(crate) rtt: Duration,
    /// How long the reply waited in the host; known only by the kernel's stamp.
    pub(crate) host_delay: Option<Duration>,
}

/// The minimum difference between the clocks that is a step of the realtime clock. Less is the
/// time between the readings of a [`Time`]; the clocks are slewed together.
const MIN_STEP: i64 = 1_000_000;

impl Stamp {
    /// The round-trip time of a probe that was sent at `sent`: the time by the monotonic clock,
    /// less the time that the reply has waited to be read.
    ///
    /// The realtime clock measures only that wait, which is short, so a clock that is set
    /// while the probe is in flight changes nothing. The kernel's stamp is still a hint: one
    /// that is not between the two monotonic readings is dropped.
    pub(crate) fn since(&self, sent: Time) -> Rtt {
        let process = self.read.at.saturating_duration_since(sent.at);
        let host_delay = self.waited(sent, process).filter(|wait| *wait <= process);
        Rtt {
            rtt: process.saturating_sub(host_delay.unwrap_or_default()),
            host_delay,
        }
    }

    /// How long the reply waited in the kernel before it was read, if known.
    fn waited(&self, sent: Time, process: Duration) -> Option<Duration> {
        let wall = self.read.wall.0;
        let mut waited = wall.checked_sub(self.kernel?.0)?;
        // A clock that was set forward during the wait makes the wait look longer, and the RTT
        // shorter. The step is known from the readings of both clocks, but not whether it was
        // during the wait or before. The shorter wait is taken, so that an RTT is never below
        // the truth.
        let process = i64::try_from(process.as_nanos()).ok()?;
        let step = wall.checked_sub(sent.wall.0)?.checked_sub(process)?;
        if step >= MIN_STEP && step <= waited {
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
                            step.abs() < MIN_STEP && seen.rtt.abs_diff(nanos(rtt)) <= nanos(1);
                        assert!(beyond == Some(true) || tiny, "{name}: {seen:?}");
                    }
                    // A reply that was read sooner than the step is long is told exactly.
                    if step <= 0 || wait < step {
                        assert_eq!(before, told(rtt, wait), "{name}");
                    }
                    if step >= MIN_STEP {
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
