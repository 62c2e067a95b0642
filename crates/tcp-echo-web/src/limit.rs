//! How many requests are answered.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{ParseDuration, WebConfigError, section::Entry};

/// A token bucket's size, and the time in which a token is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    interval: Duration,
    burst: u32,
}

impl RateLimit {
    /// None where the interval is 0 or not given.
    pub(crate) fn parse(
        entry: Entry<'_>,
        duration: ParseDuration,
    ) -> Result<Option<Self>, WebConfigError> {
        let mut section = entry.section(&["interval", "burst"])?;
        let burst = match section.take("burst") {
            None => 0,
            Some(entry) => match entry.text()? {
                None => 0,
                Some(text) => text.parse().map_err(|_| {
                    entry.refuse(format_args!(
                        "{text:?}: a number of requests is accepted, 0 to {}",
                        u32::MAX
                    ))
                })?,
            },
        };
        let Some(interval) = section.take("interval") else {
            return Ok(None);
        };
        let interval = match interval.text()? {
            None => return Ok(None),
            Some(text) if text.trim_end_matches(char::is_alphabetic) == "0" => return Ok(None),
            Some(text) => duration(text)
                .map_err(|error| interval.refuse(format_args!("{text:?}: {error}")))?,
        };
        if burst == 0 {
            return Err(section.lacks(
                "burst",
                "without a burst of at least 1 nothing would be answered; \
                 an interval of 0 is no limit",
            ));
        }
        Ok(Some(Self { interval, burst }))
    }
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    /// When it would have been empty, had nothing been spared beyond its size.
    spent_until: Mutex<Option<Instant>>,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            spent_until: Mutex::new(None),
        }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes a token, if there is one at `now`.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let RateLimit { interval, burst } = self.limit;
        let size = interval.saturating_mul(burst);
        let mut until = self
            .spent_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let from = until.unwrap_or(now).max(now);
        // A moment that can't be told is beyond every size.
        let Some(next) = from.checked_add(interval) else {
            return false;
        };
        if next.saturating_duration_since(now) > size {
            return false;
        }
        *until = Some(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let interval = Duration::from_millis(100);
        let bucket = Bucket::new(RateLimit { interval, burst: 3 });
        let start = Instant::now();
        let taken = |now| (0..10).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(start), 3);
        assert_eq!(taken(start + interval / 2), 0);
        assert_eq!(taken(start + interval), 1);
        assert_eq!(taken(start + interval * 3), 2);
        assert_eq!(taken(start + interval * 1_000), 3);
    }

    #[test]
    fn a_long_interval_is_no_reason_to_panic() {
        let interval = Duration::MAX;
        let bucket = Bucket::new(RateLimit { interval, burst: 3 });
        assert!(!bucket.take(Instant::now()));
    }
}
