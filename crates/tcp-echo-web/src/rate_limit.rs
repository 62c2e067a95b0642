//! The rate limit of requests.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tcp_echo_net::RateLimiter;

use crate::{WebConfigError, section::Entry};

/// A burst of requests, and the time after which one more is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    interval: Duration,
    burst: u32,
}

impl RateLimit {
    /// `None` if the interval is 0 or missing.
    pub(crate) fn parse(entry: Entry<'_>) -> Result<Option<Self>, WebConfigError> {
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
            Some(text) => tcp_echo_duration::parse_positive(text)
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

/// Limits how many requests are answered, of all clients together.
#[derive(Debug)]
pub(crate) struct RequestLimiter {
    limit: RateLimit,
    requests: Mutex<RateLimiter>,
}

impl RequestLimiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let requests = RateLimiter::new(limit.burst, limit.interval);
        Self {
            limit,
            requests: Mutex::new(requests),
        }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Whether a request at `now` is answered.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.allows(now)
    }
}
