//! Chaos: three probers and five servers in a network with injected faults, with every series
//! compared with the captured packets.
//!
//! Eight hosts, each a network namespace, are connected by one router. A seeded schedule takes links
//! down, drops packets, injects resets, kills and stops processes, lowers limits of open files,
//! reloads targets and sets a clock; the same seed produces the same schedule. The router captures
//! all segments at each of its interfaces (`tcpdump`, with kernel timestamps), so the capture shows
//! what each host sent and received, whatever was lost in between. The expected counts come from the
//! capture alone: connections are reassembled from segments, and their bytes split into frames.
//!
//! At every scrape, once per second: sent = received + timeouts + in flight, loss is from 0 to 1,
//! connects = disconnects + connected, histograms have the counts of their counters, no counter
//! decreases, no frame is unexpected, and slots follow the schedule (within 300 ms on a busy host).
//! In addition, each count lies between those of the capture before and after the scrape:
//!
//! - sent: the sequence numbers, by the send times in the probes. On the wire, they increase by one
//!   within a connection and never repeat. Gaps occur only between connections: the kernel accepted
//!   those probes but could not send them.
//! - received and late: the replies that reached the host. A reply less than 100 ms before the end of
//!   its connection may be lost with it, and a process may take up to a second to count a reply. Each
//!   reply equals its probe.
//! - connects: the handshakes, except connections without probes that may have timed out at the same
//!   moment or were reset at once.
//! - accepted connections and echoed bytes of a server: at most those that arrived, and at least those
//!   sent a second earlier.
//!
//! At the end, all probes are answered with resets, so the counts stop changing, and are compared
//! without the tolerance of a second. In addition, received is compared by the captured round-trip
//! times, within 2 ms, and disconnects and refused attempts by reason. Connections that ended close to
//! their stall limit, or without a probe, are ambiguous. Before that, after a time without faults:
//! no loss, all connected, and memory (within 3 MiB), open files (exactly) and CPU time (within 50 %
//! plus 15 ms per second) are as before the faults.

use std::env;
use std::time::Duration;

use anyhow::{Context as _, Result};

mod cluster;
#[cfg(test)]
mod counts_tests;
mod network;
mod packet;
mod prober_counts;
mod random;
mod resources;
mod run;
mod schedule;
mod scrapes;
mod server_counts;
mod stream;
mod traffic;
pub(crate) use run::SCENARIO;

/// Nanoseconds since 1970.
type Nanos = i64;
const MS: Nanos = 1_000_000;
/// The maximum time until a process has read what its kernel received.
const READ_DELAY: Nanos = 1000 * MS;
const PORT: u16 = 4000;
const PROBER_COUNT: usize = PROBERS.len();
const SERVER_COUNT: usize = 5;

/// The configuration of a prober.
struct Prober {
    interval: Duration,
    timeout: Duration,
    /// Whether its realtime clock is never changed.
    has_true_clock: bool,
}

impl Prober {
    /// Returns the maximum number of probes queued in the kernel until a stalled connection is replaced.
    fn stall_slots(&self) -> u64 {
        let slots = 1000 / self.interval.as_millis().max(1);
        u64::try_from(slots).unwrap_or(u64::MAX)
    }
}

const PROBERS: [Prober; 3] = [
    Prober {
        interval: Duration::from_millis(10),
        timeout: Duration::from_millis(35),
        has_true_clock: true,
    },
    Prober {
        interval: Duration::from_millis(20),
        timeout: Duration::from_millis(15),
        has_true_clock: true,
    },
    Prober {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(40),
        has_true_clock: false,
    },
];

/// A time during which a process could not respond.
#[derive(Clone, Copy, Debug)]
struct Outage {
    host: schedule::Host,
    from: Nanos,
    until: Nanos,
}

/// The environment variable with the seed of the schedule.
const SEED: &str = "TCP_ECHO_CHAOS_SEED";
/// The environment variable with the length of the schedule, as `90s` or `5m`.
const DURATION: &str = "TCP_ECHO_CHAOS_DURATION";

/// The options of a run.
#[derive(Debug, PartialEq)]
struct Options {
    seed: u64,
    length: Duration,
}

impl Options {
    /// Reads the options from the environment; the defaults are a short run with a fixed seed.
    fn from_env() -> Result<Self> {
        Self::parse(|name| env::var(name).ok())
    }

    fn parse(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let invalid = |name: &str, value: &str| format!("{name}={value:?}");
        let seed = match value(SEED) {
            Some(seed) => seed.parse().with_context(|| invalid(SEED, &seed))?,
            None => 1,
        };
        let seconds = match value(DURATION) {
            Some(length) => {
                let (number, unit) = match length.strip_suffix('m') {
                    Some(minutes) => (minutes, 60),
                    None => (length.strip_suffix('s').unwrap_or(&length), 1),
                };
                let number: u32 = number.parse().with_context(|| invalid(DURATION, &length))?;
                u64::from(number) * unit
            }
            None => 15,
        };
        Ok(Self {
            seed,
            length: Duration::from_secs(seconds),
        })
    }

    /// Returns how long resources are measured.
    fn rest(&self) -> Duration {
        let is_short = self.length < Duration::from_secs(60);
        Duration::from_secs(if is_short { 4 } else { 10 })
    }

    /// Returns the command that repeats the run.
    fn command(&self) -> String {
        let (seed, seconds) = (self.seed, self.length.as_secs());
        format!("{SEED}={seed} {DURATION}={seconds}s cargo test -p tcp-echo-e2e --test chaos")
    }
}

#[cfg(test)]
mod tests {
    use super::{DURATION, Options, SEED};

    #[test]
    fn options_are_parsed() {
        let parse = |seed: Option<&str>, length: Option<&str>| {
            let value = |name: &str| match name {
                SEED => seed.map(str::to_owned),
                DURATION => length.map(str::to_owned),
                _ => None,
            };
            let options = Options::parse(value).ok()?;
            Some((
                options.seed,
                options.length.as_secs(),
                options.rest().as_secs(),
            ))
        };
        assert_eq!(parse(None, None), Some((1, 15, 4)));
        assert_eq!(parse(Some("7"), Some("2m")), Some((7, 120, 10)));
        assert_eq!(parse(None, Some("45s")), Some((1, 45, 4)));
        assert_eq!(parse(Some("x"), None), None);
        assert_eq!(parse(None, Some("m")), None);
    }
}
