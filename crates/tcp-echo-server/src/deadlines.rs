//! Deadlines of connections.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::{CloseReason, ServerConfig};

/// The timeouts of all connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    idle: Option<Duration>,
    slow_reader: Option<Duration>,
}

impl Timeouts {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let above_zero = |timeout: Option<Duration>| timeout.filter(|timeout| !timeout.is_zero());
        Self {
            idle: above_zero(config.idle_timeout),
            slow_reader: above_zero(config.slow_reader_timeout),
        }
    }

    /// When a connection times out, and why, if nothing happens until then. Unsent bytes wait since
    /// `unsent_since`.
    pub(crate) fn due(
        &self,
        last_traffic: Instant,
        unsent_since: Option<Instant>,
    ) -> Option<(Instant, CloseReason)> {
        // A timeout beyond the range of the clock never ends.
        let idle = self
            .idle
            .and_then(|timeout| Some((last_traffic.checked_add(timeout)?, CloseReason::Idle)));
        let slow_reader = self
            .slow_reader
            .zip(unsent_since)
            .and_then(|(timeout, since)| {
                Some((since.checked_add(timeout)?, CloseReason::SlowReader))
            });
        // If both end at once, the reader is slow.
        [slow_reader, idle]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due)
    }
}

/// When to check the timeouts of each connection.
///
/// Traffic does not move a deadline, which would cost more than the echo itself. A deadline that
/// passes is checked against the connection, and set again if there was traffic.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Instant, usize)>);

impl Deadlines {
    /// Adds a check of a connection at `due`.
    pub(crate) fn insert(&mut self, due: Instant, connection: usize) {
        self.0.insert((due, connection));
    }

    pub(crate) fn remove(&mut self, due: Instant, connection: usize) {
        self.0.remove(&(due, connection));
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        Some(self.0.first()?.0)
    }

    /// Removes a connection whose deadline has passed at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<usize> {
        if self.next()? > now {
            return None;
        }
        Some(self.0.pop_first()?.1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Deadlines, Timeouts};
    use crate::{CloseReason, ServerConfig};

    fn timeouts(idle: Duration, slow_reader: Duration) -> Timeouts {
        Timeouts::new(&ServerConfig {
            idle_timeout: Some(idle),
            slow_reader_timeout: Some(slow_reader),
            ..ServerConfig::default()
        })
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn traffic_defers_the_end() {
        let start = Instant::now();
        let timeouts = timeouts(seconds(10), Duration::ZERO);
        for last_traffic in [start, start + seconds(9)] {
            let due = (last_traffic + seconds(10), CloseReason::Idle);
            assert_eq!(timeouts.due(last_traffic, None), Some(due));
        }
    }

    #[test]
    fn a_slow_reader_has_its_own_end_whatever_it_sends() {
        let start = Instant::now();
        let timeouts = timeouts(seconds(100), seconds(10));
        let due = (start + seconds(10), CloseReason::SlowReader);
        assert_eq!(timeouts.due(start + seconds(9), Some(start)), Some(due));
        let due = (start + seconds(109), CloseReason::Idle);
        assert_eq!(timeouts.due(start + seconds(9), None), Some(due));
    }

    #[test]
    fn without_timeouts_it_never_ends() {
        let now = Instant::now();
        for timeout in [Duration::ZERO, Duration::MAX] {
            assert_eq!(timeouts(timeout, timeout).due(now, Some(now)), None);
        }
    }

    #[test]
    fn connections_come_up_when_they_are_due_and_not_before() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(), None);
        deadlines.insert(start + seconds(2), 7);
        deadlines.insert(start + seconds(1), 8);
        deadlines.insert(start + seconds(1), 9);
        deadlines.remove(start + seconds(1), 8);
        assert_eq!(deadlines.next(), Some(start + seconds(1)));
        assert_eq!(deadlines.pop(start), None);
        assert_eq!(deadlines.pop(start + seconds(5)), Some(9));
        assert_eq!(deadlines.pop(start + seconds(5)), Some(7));
        assert_eq!(deadlines.pop(start + seconds(5)), None);
    }
}
