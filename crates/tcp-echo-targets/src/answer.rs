//! The last known answer for a name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tcp_echo_prober::HostName;
use tcp_echo_resolve::{Addresses, Failure, Services};
use tokio::time::Instant;
use tracing::{debug, warn};

/// The minimum time between look-ups, however short the TTL.
const MIN_TTL: Duration = Duration::from_secs(5);

/// The maximum backoff of a name that hangs, unless the regular interval is longer.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Srv,
}

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Ip(IpAddr),
    Service { host: String, port: u16 },
}

/// The last answer to a question. A failed look-up keeps it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) found: BTreeMap<Kind, Vec<Found>>,
    /// The fully qualified name that has the addresses.
    pub(crate) name: Option<String>,
    /// Its TTL.
    pub(crate) ttl: Option<Duration>,
    /// Whether a look-up is in progress.
    pub(crate) in_progress: bool,
    /// When the next look-up is due.
    pub(crate) due: Option<Instant>,
    /// Whether its look-up in the current round has not ended.
    pub(crate) in_round: bool,
    /// The number of consecutive failures, and the last one.
    pub(crate) failures: u32,
    pub(crate) failure: Option<Failure>,
    pub(crate) gone: Option<Gone>,
    /// The names of the sources that use it.
    pub(crate) sources: BTreeSet<Arc<str>>,
}

/// Since when, and how often, a name was denied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    since: Instant,
    times: u32,
}

impl Answer {
    /// Sets the addresses. Returns whether they have changed.
    pub(crate) fn addresses(&mut self, now: Addresses) -> bool {
        let mut changed = false;
        if self.name.as_ref() != Some(&now.name) {
            // All addresses are of one fully qualified name.
            changed = !std::mem::take(&mut self.found).is_empty();
            self.name = Some(now.name);
        }
        self.ttl = now.ttl;
        for (kind, ips) in [(Kind::A, now.v4), (Kind::Aaaa, now.v6)] {
            // An unknown family keeps its addresses.
            if let Some(ips) = ips {
                let found = ips.into_iter().map(Found::Ip).collect();
                changed |= self.set(kind, found);
            }
        }
        changed
    }

    pub(crate) fn services(&mut self, now: Services) -> bool {
        self.ttl = now.ttl;
        let service = |(host, port)| Found::Service { host, port };
        self.set(Kind::Srv, now.found.into_iter().map(service).collect())
    }

    fn set(&mut self, kind: Kind, found: Vec<Found>) -> bool {
        let before = self.found.insert(kind, found);
        before.as_ref() != self.found.get(&kind)
    }

    /// The maximum time until the next look-up.
    pub(crate) fn delay(&self, refresh: Duration) -> Duration {
        match (&self.failure, self.ttl) {
            (Some(Failure::NoAnswer), _) => {
                let longer = refresh.saturating_mul(1 << self.failures.min(16));
                longer.min(MAX_DELAY.max(refresh))
            }
            (Some(_), _) | (None, None) => refresh,
            (None, Some(ttl)) => refresh.min(ttl.max(MIN_TTL)),
        }
    }

    /// Records a failed look-up. Returns whether the answer has changed: a name that stays gone
    /// loses its targets.
    pub(crate) fn fail(&mut self, name: &HostName, failure: Failure, stale: Duration) -> bool {
        let now = Instant::now();
        if self.failures == 0 {
            warn!(%name, %failure, "DNS lookup failed; keeping the last targets");
        } else {
            debug!(%name, %failure, "DNS lookup failed");
        }
        self.failures = self.failures.saturating_add(1);
        let is_definite = failure.is_definite();
        self.failure = Some(failure);
        if !is_definite {
            return false;
        }
        let gone = self.gone.get_or_insert(Gone {
            since: now,
            times: 0,
        });
        gone.times = gone.times.saturating_add(1);
        // A single answer may be a mistake.
        let is_for_good = stale.is_zero() || gone.times > 1 && now >= gone.since + stale;
        let had_any = self.found.values().any(|found| !found.is_empty());
        if !is_for_good || !had_any {
            return false;
        }
        self.found.clear();
        warn!(%name, ?stale, "name is gone; removing its targets");
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn names_are_asked_for_again_when_their_records_end_within_bounds() {
        let delay = |refresh: u32, ttl: Option<u32>| {
            let ttl = ttl.map(|ttl| ttl * SECOND);
            let answer = Answer {
                ttl,
                ..Answer::default()
            };
            answer.delay(refresh * SECOND).as_secs()
        };
        assert_eq!(delay(30, None), 30);
        assert_eq!(delay(30, Some(3600)), 30);
        assert_eq!(delay(30, Some(12)), 12);
        assert_eq!(delay(30, Some(0)), 5);
        assert_eq!(delay(2, Some(0)), 2);
    }

    #[test]
    fn a_name_that_hangs_is_asked_for_less_often_and_one_that_fails_is_not() {
        let delay = |refresh: u32, failure: &Failure, failures| {
            let answer = Answer {
                failure: Some(failure.clone()),
                failures,
                ..Answer::default()
            };
            answer.delay(refresh * SECOND).as_secs()
        };
        let hangs = [1, 2, 3, 4, u32::MAX].map(|failures| delay(2, &Failure::NoAnswer, failures));
        assert_eq!(hangs, [4, 8, 16, 30, 30]);
        assert_eq!(delay(60, &Failure::NoAnswer, 9), 60);
        assert_eq!(delay(2, &Failure::Server, 9), 2);
    }

    #[test]
    fn only_what_is_gone_for_long_enough_goes() {
        let mut answer = Answer::default();
        let ips = |v4| Addresses {
            name: "web.".to_owned(),
            v4: Some(v4),
            v6: None,
            ttl: None,
        };
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert!(answer.addresses(ips(vec![ip])));
        assert!(!answer.addresses(ips(vec![ip])));
        let web = "web".parse().unwrap();
        let mut fail = |failure, stale| answer.fail(&web, failure, stale);
        // One answer may be a mistake, and what is no answer says nothing.
        assert!(!fail(Failure::NoSuchName, Duration::from_nanos(1)));
        assert!(!fail(Failure::NoAnswer, Duration::from_nanos(1)));
        assert!(!fail(Failure::Server, Duration::from_nanos(1)));
        assert!(!fail(Failure::NoSuchName, 3600 * SECOND));
        assert!(fail(Failure::NoRecords, Duration::from_nanos(1)));
        assert!(!fail(Failure::NoRecords, Duration::from_nanos(1)));
    }
}
