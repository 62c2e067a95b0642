//! A timer that is a file descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// An alarm for a tokio runtime, precise to the microseconds that a wake-up takes, where the
/// runtime's own timers tick in milliseconds (`timerfd_create(2)`; Linux only).
///
/// ```
/// use std::time::{Duration, Instant};
/// use tcp_echo_socket::TimerFd;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let timer = TimerFd::new()?;
/// let at = Instant::now() + Duration::from_micros(300);
/// timer.set(at);
/// timer.fired().await?;
/// assert!(Instant::now() >= at);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TimerFd {
    fd: AsyncFd<OwnedFd>,
}

impl TimerFd {
    /// An unset timer on the current runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses it, mostly for want of file descriptors.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime that does I/O.
    #[expect(unsafe_code, reason = "the descriptor's promise is made here")]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the descriptor is owned by the value that is registered, and nothing here
        // takes it out or replaces it, so it stays open and the same until both are dropped.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self { fd: fd? })
    }

    /// Sets the timer to `at`, or to fire at once if that has passed. Replaces the deadline
    /// before.
    pub fn set(&self, at: Instant) {
        // A wait of zero would disarm it.
        let wait = at
            .saturating_duration_since(Instant::now())
            .max(Duration::from_nanos(1));
        let value = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        // It is refused only for a descriptor that is no timer, or a time that is none.
        let _ = timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &value);
    }

    /// Waits until it has fired.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn fired(&self) -> io::Result<()> {
        // The descriptor stays readable until it is set again, which resets its count; readiness
        // is edge-triggered, so to read it in between would be a system call for nothing.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fires_at_the_last_deadline_that_was_set() {
        let timer = TimerFd::new().unwrap();
        for micros in [0, 50, 700, 3_000] {
            timer.set(Instant::now() + Duration::from_secs(3_600));
            let at = Instant::now() + Duration::from_micros(micros);
            timer.set(at);
            timer.fired().await.unwrap();
            assert!(Instant::now() >= at);
            assert!(at.elapsed() < Duration::from_secs(2));
        }
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_fires_at_once() {
        let timer = TimerFd::new().unwrap();
        let past = Instant::now();
        timer.set(past);
        timer.fired().await.unwrap();
        assert!(past.elapsed() < Duration::from_secs(2));
    }
}
