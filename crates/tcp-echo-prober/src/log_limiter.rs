//! How much is said in the log.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::info;

/// Lines about single targets that may come at once …
const BURST: u32 = 50;

/// … and how long it takes until one more may.
const REFILL: Duration = Duration::from_secs(1);

/// Keeps the log readable where thousands of targets change at once: beyond a burst,
/// lines about single targets are left out until it has been quiet for a while.
#[derive(Debug)]
pub(crate) struct LogLimiter(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    lines: u32,
    refilled: Instant,
    /// Whether it was said that lines are left out.
    said: bool,
}

impl LogLimiter {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bucket {
            lines: BURST,
            refilled: Instant::now(),
            said: false,
        }))
    }

    /// Whether a line about a target may be logged now.
    pub(crate) fn allows(&self) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (allowed, say) = bucket.take(Instant::now());
        drop(bucket);
        if say {
            info!(
                "more targets change than can be logged one by one; \
                 the rest is told by the metrics alone until it is quieter"
            );
        }
        allowed
    }
}

impl Bucket {
    /// Whether there is a line left, and whether to say that there is none any more.
    fn take(&mut self, now: Instant) -> (bool, bool) {
        let quiet = now.saturating_duration_since(self.refilled);
        let more = quiet.as_nanos() / REFILL.as_nanos();
        if let Ok(more @ 1..) = u32::try_from(more) {
            self.lines = self.lines.saturating_add(more).min(BURST);
            self.refilled = now;
        }
        if self.lines == BURST {
            self.said = false;
        }
        if self.lines == 0 {
            return (false, !std::mem::replace(&mut self.said, true));
        }
        self.lines -= 1;
        (true, false)
    }
}

/// Whether something was said already.
#[derive(Debug, Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    /// True the first time.
    pub(crate) fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_then_little_then_a_burst_again() {
        let start = Instant::now();
        let mut bucket = Bucket {
            lines: BURST,
            refilled: start,
            said: false,
        };
        let mut take = |seconds| bucket.take(start + Duration::from_secs(seconds));
        assert!((0..BURST).all(|_| take(0) == (true, false)));
        assert_eq!(take(0), (false, true), "it is said once");
        assert_eq!(take(0), (false, false));
        assert_eq!(take(2), (true, false));
        assert_eq!(take(2), (true, false));
        assert_eq!(take(2), (false, false));
        assert!((0..BURST).all(|_| take(1000) == (true, false)));
        assert_eq!(take(1000), (false, true), "and again after it was quiet");
    }
}
