//! A server's series against what passed at its own end of the network.

use super::MS;
use super::Nanos;
use super::scrapes::Reading;
use super::traffic::Connection;

const SEEN: Nanos = 1000 * MS;

/// What one process counted in the end, and what passed while it was there.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) made: u64,
    pub(super) echoed: u64,
    pub(super) went_in: u64,
    pub(super) came_out: u64,
}

/// Compares one process's readings. One that was killed has taken its last counts along.
/// `still` says that nothing moved any more at the last scrape.
pub(super) fn compare(
    connections: &[&Connection],
    started: Nanos,
    readings: &[Reading],
    still: bool,
    wrong: &mut Vec<String>,
) -> Tally {
    let mut tally = Tally::default();
    for (index, reading) in readings.iter().enumerate() {
        let last = still && index + 1 == readings.len();
        let of = |name: &str| reading.count(name, &[]);
        let early = if last {
            reading.until
        } else {
            reading.from - SEEN
        };
        let of_it = || {
            connections
                .iter()
                .filter(|one| one.made.is_some_and(|made| made >= started))
        };
        let made = |at: Nanos| {
            of_it()
                .filter(|one| one.made.is_some_and(|made| made <= at))
                .count() as u64
        };
        let until = |at: Nanos, frames: fn(&Connection) -> &super::stream::Stream| -> u64 {
            let each = of_it().map(|one| frames(one).frames());
            each.map(|frames| frames.partition_point(|frame| frame.at <= at) as u64 * 16)
                .sum()
        };
        let now = Tally {
            accepted: of("tcp_echo_server_accepted_total"),
            made: made(reading.until),
            echoed: of("tcp_echo_server_echoed_bytes_total"),
            went_in: until(reading.until, |one| &one.probes),
            came_out: until(early, |one| &one.replies),
        };
        if now.accepted > now.made || (last && now.accepted != now.made) {
            wrong.push(format!(
                "accepted {}, but {} were made",
                now.accepted, now.made
            ));
        }
        if now.echoed > now.went_in || now.echoed < now.came_out {
            wrong.push(format!(
                "scrape {index}: echoed {}, but {} went in and {} came out",
                now.echoed, now.went_in, now.came_out
            ));
        }
        if last && of("tcp_echo_server_connections") != 0 {
            wrong.push("connections are left".to_owned());
        }
        tally = now;
    }
    tally
}
