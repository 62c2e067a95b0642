//! `cargo xtask chaos`: three probers and five servers in a network in which everything goes
//! wrong, and every series compared with what passed.
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

use std::process::ExitCode;
use std::time::Duration;

use crate::report::Report;

#[cfg(test)]
mod by_hand;
mod health;
mod judge;
mod ledger;
mod network;
mod packet;
mod play;
mod random;
mod readings;
mod schedule;
mod servers;
mod stage;
mod stream;
pub(crate) use play::SCENARIO;

/// Since 1970.
type Nanos = i64;
const MS: Nanos = 1_000_000;
const PORT: u16 = 4000;
const PROBERS: usize = PROBERS_ARE.len();
const SERVERS: usize = 5;

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

const PROBERS_ARE: [Prober; 3] = [
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
    place: schedule::Place,
    from: Nanos,
    until: Nanos,
}

const USAGE: &str = "usage: cargo xtask chaos [--seed N] [--duration SECONDS or MINUTESm]";

/// Runs it by these arguments.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let Some((seed, seconds)) = options(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut report = Report::new();
    play::run(&mut report, seed, seconds);
    report.finish()
}

/// Seed and seconds.
fn options(arguments: &[&str]) -> Option<(u64, u64)> {
    let (mut seed, mut seconds) = (1, 300);
    for pair in arguments.chunks(2) {
        match pair {
            ["--seed", number] => seed = number.parse().ok()?,
            ["--duration", time] => {
                seconds = match time.strip_suffix('m') {
                    Some(minutes) => minutes.parse::<u64>().ok()?.checked_mul(60)?,
                    None => time.strip_suffix('s').unwrap_or(time).parse().ok()?,
                };
            }
            _ => return None,
        }
    }
    Some((seed, seconds))
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn options_are_read() {
        assert_eq!(options(&[]), Some((1, 300)));
        assert_eq!(
            options(&["--duration", "2m", "--seed", "7"]),
            Some((7, 120))
        );
        assert_eq!(options(&["--duration", "45s"]), Some((1, 45)));
        assert_eq!(options(&["--seed"]), None);
        assert_eq!(options(&["--seed", "x"]), None);
    }
}
