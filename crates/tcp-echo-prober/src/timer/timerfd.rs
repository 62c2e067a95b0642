//! Linux: a timer that is a file descriptor, precise to the microseconds that a
//! wake-up takes (`timerfd_create(2)`).

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

/// An alarm by timerfd.
pub(super) struct TimerFd {
    fd: AsyncFd<OwnedFd>,
}

impl TimerFd {
    #[allow(deprecated)]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            fd: AsyncFd::with_interest(fd, Interest::READABLE)?,
        })
    }

    /// Lets it ring at `at`, in place of any other moment.
    pub(super) fn set(&self, at: Instant) {
        // A wait of zero would disarm it.
        let wait = at
            .saturating_duration_since(Instant::now())
            .max(Duration::from_nanos(1));
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        // It fails only for a descriptor that is no timer or a time out of range.
        let _ = timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &value);
    }

    /// Waits until it has rung.
    pub(super) async fn rang(&self) -> io::Result<()> {
        // The descriptor stays readable until it is set again, which resets its
        // count; readiness is edge-triggered, so it need not be read in between.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}
