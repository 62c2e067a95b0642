//! What a name stands for, as far as it is known.

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

/// However short the records say that they hold, names are not asked for again sooner.
const LEAST_TTL: Duration = Duration::from_secs(5);

/// A name that hangs is asked for less and less often, up to this, or where that is longer
/// at the interval of all.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Srv,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Ip(IpAddr),
    Service { host: String, port: u16 },
}

/// The last answer to a question. A look-up that failed leaves it as it was.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) found: BTreeMap<Kind, Vec<Found>>,
    /// The name in full that the addresses are from.
    pub(crate) name: Option<String>,
    /// For how long it holds, as it says.
    pub(crate) ttl: Option<Duration>,
    /// Whether it is being asked for, or else when it is next.
    pub(crate) asking: bool,
    pub(crate) due: Option<Instant>,
    /// Whether it was not asked for to the end since all were to be.
    pub(crate) in_round: bool,
    /// Look-ups in a row that came to nothing, and how the last one ended.
    pub(crate) failures: u32,
    pub(crate) failure: Option<Failure>,
    pub(crate) gone: Option<Gone>,
    /// What this is to the endpoints that want it.
    pub(crate) sources: BTreeSet<Arc<str>>,
}

/// A name that does not exist any more, or has nothing any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    since: Instant,
    times: u32,
}

impl Answer {
    /// Takes what a name stands for now, and tells whether that is something else.
    pub(crate) fn addresses(&mut self, now: Addresses) -> bool {
        let mut changed = false;
        if self.name.as_ref() != Some(&now.name) {
            // All of them are of one name in full.
            changed = !std::mem::take(&mut self.found).is_empty();
            self.name = Some(now.name);
        }
        self.ttl = now.ttl;
        for (kind, ips) in [(Kind::A, now.v4), (Kind::Aaaa, now.v6)] {
            // A family that is not known stays.
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

    /// How long it is until the name is asked for again, at most.
    pub(crate) fn delay(&self, refresh: Duration) -> Duration {
        match (&self.failure, self.ttl) {
            (Some(Failure::NoAnswer), _) => {
                let longer = refresh.saturating_mul(1 << self.failures.min(16));
                longer.min(LONGEST_DELAY.max(refresh))
            }
            (Some(_), _) | (None, None) => refresh,
            (None, Some(ttl)) => refresh.min(ttl.max(LEAST_TTL)),
        }
    }

    /// Takes that a look-up has failed, and tells whether what is known has changed: a
    /// name that is gone, and stays so, stands for nothing.
    pub(crate) fn fail(&mut self, name: &HostName, failure: Failure, stale: Duration) -> bool {
        let now = Instant::now();
        if self.failures == 0 {
            warn!(%name, %failure, "a name can't be looked up; what it stood for stays");
        } else {
            debug!(%name, %failure, "a look-up has failed");
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
        // One answer may be a mistake.
        let is_for_good = stale.is_zero() || gone.times > 1 && now >= gone.since + stale;
        let had_any = self.found.values().any(|found| !found.is_empty());
        if !is_for_good || !had_any {
            return false;
        }
        self.found.clear();
        warn!(%name, ?stale, "a name is gone for good; its targets go");
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
