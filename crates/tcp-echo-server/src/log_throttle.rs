//! Saying once that something began.

use std::time::{Duration, Instant};

/// How long there must be quiet before the next event begins a new episode.
const QUIET: Duration = Duration::from_secs(10);

/// A run of events with no more than [`QUIET`] between them.
///
/// At a limit, failures and successes alternate quickly; a log that spoke at each turn would
/// speak for ever. So it speaks when an episode begins and when one is found to have ended.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    last: Option<Instant>,
}

impl LogThrottle {
    /// Notes an event at `now` and returns whether it begins an episode.
    pub(crate) fn event(&mut self, now: Instant) -> bool {
        let ended = self.ended(now);
        self.last.replace(now).is_none() || ended
    }

    /// Returns once whether an episode has ended by `now`.
    pub(crate) fn ended(&mut self, now: Instant) -> bool {
        self.last
            .take_if(|last| now.duration_since(*last) > QUIET)
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LogThrottle, QUIET};

    #[test]
    fn it_begins_once_and_ends_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut episode = LogThrottle::default();
        assert!(!episode.ended(at(0)));
        assert!(episode.event(at(0)));
        assert!(!episode.event(at(9)));
        assert!(!episode.ended(at(19)));
        assert!(episode.ended(at(20)));
        assert!(!episode.ended(at(40)));
        assert!(episode.event(at(50)));
    }

    #[test]
    fn an_event_after_quiet_begins_another() {
        let start = Instant::now();
        let mut episode = LogThrottle::default();
        assert!(episode.event(start));
        assert!(episode.event(start + QUIET + Duration::from_secs(1)));
    }
}
