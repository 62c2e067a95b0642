//! Compares a server's series with the packets captured at its end of the network.

use super::scrapes::Reading;
use super::traffic::Connection;
use super::{Nanos, READ_DELAY};

/// The final counts of one process, and those of the capture while it ran.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) made: u64,
    pub(super) echoed: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Compares one process's scrapes with the capture. The last counts of a killed process are unknown.
/// `still` means that the counts no longer changed at the last scrape.
pub(super) fn compare(
    connections: &[&Connection],
    started: Nanos,
    readings: &[Reading],
    still: bool,
    violations: &mut Vec<String>,
) -> Tally {
    let mut tally = Tally::default();
    for (index, reading) in readings.iter().enumerate() {
        let last = still && index + 1 == readings.len();
        let of = |name: &str| reading.count(name, &[]);
        let early = if last {
            reading.until
        } else {
            reading.from - READ_DELAY
        };
        let of_process = || {
            connections
                .iter()
                .filter(|one| one.made.is_some_and(|made| made >= started))
        };
        let made = |at: Nanos| {
            of_process()
                .filter(|one| one.made.is_some_and(|made| made <= at))
                .count() as u64
        };
        let until = |at: Nanos, frames: fn(&Connection) -> &super::stream::Stream| -> u64 {
            let each = of_process().map(|one| frames(one).frames());
            each.map(|frames| frames.partition_point(|frame| frame.at <= at) as u64 * 16)
                .sum()
        };
        let now = Tally {
            accepted: of("tcp_echo_server_accepted_total"),
            made: made(reading.until),
            echoed: of("tcp_echo_server_echoed_bytes_total"),
            bytes_in: until(reading.until, |one| &one.probes),
            bytes_out: until(early, |one| &one.replies),
        };
        if now.accepted > now.made || (last && now.accepted != now.made) {
            violations.push(format!(
                "accepted {}, but {} in the capture",
                now.accepted, now.made
            ));
        }
        if now.echoed > now.bytes_in || now.echoed < now.bytes_out {
            violations.push(format!(
                "scrape {index}: echoed {}, but {} received and {} sent",
                now.echoed, now.bytes_in, now.bytes_out
            ));
        }
        if last && of("tcp_echo_server_connections") != 0 {
            violations.push("connections remain".to_owned());
        }
        tally = now;
    }
    tally
}
