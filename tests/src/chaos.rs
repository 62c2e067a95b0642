//! Chaos: three probers and five servers in a network in which everything fails, and every
//! series compared with the packets that passed.
//!
//! Eight hosts, each a network namespace, hang on one router. A seeded schedule cuts cables,
//! loses packets, swallows them, forges resets, kills and stops processes, takes their files
//! away, reloads and sets a clock; the same seed gives the same schedule. All the time the
//! router notes every segment at each of its interfaces (`tcpdump`, with the kernel's times),
//! which is what left a host and what reached it, whatever was lost between.
//! This tally knows nothing of the program: connections are put together from segments, their
//! bytes cut into frames.
//!
//! At every scrape, that is once a second: sent = received + timeouts + in flight, loss from 0
//! to 1, connects = disconnects + connected, histograms count what their counters count, no
//! counter falls, no frame is unexpected, slots lie on their grid (300 ms for a busy host). And
//! between what had passed before the scrape and what had by its end:
//!
//! - sent: the sequence numbers by the probes' own stamps. On the wire they rise by one within
//!   a connection and never come twice. A gap is between connections only: those probes were
//!   handed to a kernel that could not send them.
//! - received and late: the replies that reached the host. One that came less than 100 ms before
//!   its connection broke may have been lost with it, and up to a second may pass until a
//!   process has seen what came. Each reply equals its probe.
//! - connects: the handshakes, less those over which nothing was sent and that may have been given
//!   up at the moment they were made, or been reset at once.
//! - a server's accepted connections and echoed bytes: no more than went in, no less than came out
//!   a second before.
//!
//! In the end all probes are answered with resets, so nothing moves, and the same is compared
//! without that second. Besides: received by the round-trip times that passed, to 2 ms; the
//! disconnects by reason and the refused attempts by how the segments say that it went. Doubtful
//! are those where an end came just as the connection was stalled, and hollow ones.
//! Before that, healed, for a while: no loss, all connected, and memory (3 MiB), files (exactly) and
//! processor time (half as much again and 15 ms a second) as before the chaos.

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

/// Since 1970.
type Nanos = i64;
const MS: Nanos = 1_000_000;
const PORT: u16 = 4000;
const PROBER_COUNT: usize = PROBERS.len();
const SERVER_COUNT: usize = 5;

/// How a prober probes.
struct Prober {
    interval: Duration,
    timeout: Duration,
    /// Nobody sets its realtime clock.
    true_clock: bool,
}

impl Prober {
    /// As many probes as may wait in a kernel until their connection is replaced.
    fn stall_slots(&self) -> u64 {
        let slots = 1000 / self.interval.as_millis().max(1);
        u64::try_from(slots).unwrap_or(u64::MAX)
    }
}

const PROBERS: [Prober; 3] = [
    Prober {
        interval: Duration::from_millis(10),
        timeout: Duration::from_millis(35),
        true_clock: true,
    },
    Prober {
        interval: Duration::from_millis(20),
        timeout: Duration::from_millis(15),
        true_clock: true,
    },
    Prober {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(40),
        true_clock: false,
    },
];

/// When a process could not answer.
#[derive(Clone, Copy, Debug)]
struct Outage {
    host: schedule::Host,
    from: Nanos,
    until: Nanos,
}

/// Names the seed of the schedule.
const SEED: &str = "TCP_ECHO_CHAOS_SEED";
/// Names the length of the schedule, as `90s` or `5m`.
const DURATION: &str = "TCP_ECHO_CHAOS_DURATION";

/// What a run is made of.
#[derive(Debug, PartialEq)]
struct Options {
    seed: u64,
    length: Duration,
}

impl Options {
    /// Those of the environment, else the short form, which is always the same.
    fn from_env() -> Result<Self> {
        Self::parse(|name| env::var(name).ok())
    }

    fn parse(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let wrong = |name: &str, value: &str| format!("{name}={value:?}");
        let seed = match value(SEED) {
            Some(seed) => seed.parse().with_context(|| wrong(SEED, &seed))?,
            None => 1,
        };
        let seconds = match value(DURATION) {
            Some(length) => {
                let (number, unit) = match length.strip_suffix('m') {
                    Some(minutes) => (minutes, 60),
                    None => (length.strip_suffix('s').unwrap_or(&length), 1),
                };
                let number: u32 = number.parse().with_context(|| wrong(DURATION, &length))?;
                u64::from(number) * unit
            }
            None => 15,
        };
        Ok(Self {
            seed,
            length: Duration::from_secs(seconds),
        })
    }

    /// How long the program is observed at rest.
    fn rest(&self) -> Duration {
        let is_short = self.length < Duration::from_secs(60);
        Duration::from_secs(if is_short { 4 } else { 10 })
    }

    /// The command that repeats the run.
    fn command(&self) -> String {
        let (seed, seconds) = (self.seed, self.length.as_secs());
        format!("{SEED}={seed} {DURATION}={seconds}s cargo test -p tcp-echo-e2e --test chaos")
    }
}

#[cfg(test)]
mod tests {
    use super::{DURATION, Options, SEED};

    #[test]
    fn options_are_read() {
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
