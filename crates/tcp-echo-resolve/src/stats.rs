//! Counts of look-ups.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The type of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupType {
    /// Addresses, by the system's resolver.
    System,
    /// IPv4 addresses, by a nameserver.
    A,
    /// IPv6 addresses, by a nameserver.
    Aaaa,
    /// Services, by a nameserver.
    Srv,
}

impl LookupType {
    /// Every type, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::System, Self::A, Self::Aaaa, Self::Srv];

    /// The type as the value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }
}

/// The outcome of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Records were found.
    Ok,
    /// The name does not exist.
    NxDomain,
    /// The name has no records of the type.
    NoData,
    /// The nameservers failed or refused.
    ServFail,
    /// No nameserver answered in time.
    Timeout,
    /// Any other error.
    Error,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::NxDomain,
        Self::NoData,
        Self::ServFail,
        Self::Timeout,
        Self::Error,
    ];

    /// The outcome as the value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NxDomain => "nxdomain",
            Self::NoData => "nodata",
            Self::ServFail => "servfail",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

/// Upper bounds of the histogram, in milliseconds: from a local cache to a second nameserver
/// that answers after the first one did not.
const BOUNDS: [u64; 12] = [
    1, 3, 10, 30, 100, 300, 1000, 2500, 5000, 7500, 10_000, 30_000,
];

/// The counts of one or more [`Resolver`](crate::Resolver)s, from their start.
///
/// Every getter reads atomic numbers: cheap, and safe from any thread.
#[derive(Debug, Default)]
pub struct LookupStats {
    lookups: [[AtomicU64; Outcome::ALL.len()]; LookupType::ALL.len()],
    /// The last one counts times above all bounds.
    times: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// A histogram of the duration of look-ups.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupTimes {
    /// Upper bounds in seconds, each with the number of look-ups above the bound before and up
    /// to this one. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all times, in seconds.
    pub sum: f64,
}

impl LookupStats {
    /// The number of look-ups, by type and outcome.
    pub fn lookups(&self, of: LookupType, outcome: Outcome) -> u64 {
        self.lookups[of as usize][outcome as usize].load(Relaxed)
    }

    /// The duration of look-ups.
    pub fn times(&self) -> LookupTimes {
        let bounds = BOUNDS.iter().map(|bound| *bound as f64 / 1e3);
        let bounds = bounds.chain([f64::INFINITY]);
        let counts = self.times.iter().map(|count| count.load(Relaxed));
        LookupTimes {
            buckets: bounds.zip(counts).collect(),
            sum: self.nanoseconds.load(Relaxed) as f64 / 1e9,
        }
    }

    pub(crate) fn record(&self, of: LookupType, outcome: Outcome, took: Duration) {
        self.lookups[of as usize][outcome as usize].fetch_add(1, Relaxed);
        let above = |bound: &u64| took > Duration::from_millis(*bound);
        self.times[BOUNDS.iter().take_while(|bound| above(bound)).count()].fetch_add(1, Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanos, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_up_is_counted_once_and_in_the_bucket_of_its_time() {
        let stats = LookupStats::default();
        for (millis, of, outcome) in [
            (1, LookupType::System, Outcome::Ok),
            (2, LookupType::System, Outcome::Ok),
            (40_000, LookupType::Srv, Outcome::Timeout),
        ] {
            stats.record(of, outcome, Duration::from_millis(millis));
        }
        assert_eq!(stats.lookups(LookupType::System, Outcome::Ok), 2);
        assert_eq!(stats.lookups(LookupType::Srv, Outcome::Timeout), 1);
        assert_eq!(stats.lookups(LookupType::A, Outcome::Ok), 0);
        let times = stats.times();
        let filled = times.buckets.iter().filter(|(_, count)| *count > 0);
        let filled: Vec<_> = filled.copied().collect();
        assert_eq!(filled, [(0.001, 1), (0.003, 1), (f64::INFINITY, 1)]);
        assert!((times.sum - 40.003).abs() < 1e-9);
    }
}
