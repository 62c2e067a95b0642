//! Errors of accepting connections, and the pause after them.

use std::{
    io,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

/// How long nothing is accepted after an error, unless a connection ends before.
const PAUSE: Duration = Duration::from_millis(100);

/// How long accepting has to work before the log reports it. At a limit, errors and successes
/// alternate quickly.
const STABLE: Duration = Duration::from_secs(10);

/// The pause after an error of `accept`, such as `EMFILE`, for an accept loop of any kind.
///
/// Without a pause such an error would be a busy loop: the connection stays in the queue. The
/// log has a line when errors begin and when they have ended.
///
/// ```
/// use std::{io, time::Instant};
/// use tcp_echo_net::AcceptPause;
///
/// let mut pause = AcceptPause::new("echo server");
/// let now = Instant::now();
/// assert!(!pause.on_error(&io::ErrorKind::ConnectionAborted.into(), now));
/// assert_eq!(pause.until(), None, "it concerns one connection: retry at once");
/// assert!(pause.on_error(&io::ErrorKind::OutOfMemory.into(), now));
/// assert!(pause.until() > Some(now));
/// pause.on_closed();
/// assert_eq!(pause.until(), None, "there is room for another one");
/// pause.on_accepted(now);
/// ```
#[derive(Debug)]
pub struct AcceptPause {
    listener: &'static str,
    until: Option<Instant>,
    /// The last error, until the log reports that they have ended.
    last_error: Option<Instant>,
}

impl AcceptPause {
    /// No pause yet. `listener` names the accept loop in the log.
    pub const fn new(listener: &'static str) -> Self {
        Self {
            listener,
            until: None,
            last_error: None,
        }
    }

    /// The end of the current pause, which may have passed; `None` without a pause.
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Starts a pause, unless the error concerns the one connection that `accept` took from
    /// the queue. Returns whether a pause starts.
    pub fn on_error(&mut self, error: &io::Error, now: Instant) -> bool {
        let listener = self.listener;
        if is_connection_error(error) {
            debug!(listener, %error, "a connection ended before it was accepted");
            return false;
        }
        let is_first = self.take_stable(now) || self.last_error.is_none();
        self.last_error = Some(now);
        if is_first {
            warn!(listener, %error, "cannot accept connections; retrying");
        }
        self.until = Some(now + PAUSE);
        true
    }

    /// A connection was accepted.
    pub fn on_accepted(&mut self, now: Instant) {
        self.until = None;
        if self.take_stable(now) {
            info!(listener = self.listener, "connections are accepted again");
        }
    }

    /// A connection has ended, so its descriptor is free: ends the pause.
    pub const fn on_closed(&mut self) {
        self.until = None;
    }

    /// Whether accepting has worked for a while since the last error; then forgets that.
    fn take_stable(&mut self, now: Instant) -> bool {
        let is_stable = |last: &mut Instant| now.saturating_duration_since(*last) > STABLE;
        self.last_error.take_if(is_stable).is_some()
    }
}

/// Whether `accept` failed for one connection, so that the next one may be accepted at once.
/// Linux reports an error that is pending on the new socket in this way (accept(2)). Any other
/// error would most likely recur at once.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            | Kind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_reports_a_shortage_once_and_its_end_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pause = AcceptPause::new("test");
        assert!(!pause.take_stable(at(0)));
        let error = io::ErrorKind::OutOfMemory.into();
        pause.on_error(&error, at(0));
        pause.on_error(&error, at(9));
        assert!(!pause.take_stable(at(19)), "it may go on");
        assert!(pause.take_stable(at(20)));
        assert!(!pause.take_stable(at(40)), "it is reported once");
    }

    /// EMFILE and ENFILE have the same numbers on every Unix.
    #[cfg(unix)]
    #[test]
    fn a_shortage_concerns_every_connection() {
        for number in [24, 23] {
            assert!(!is_connection_error(&io::Error::from_raw_os_error(number)));
        }
    }
}
