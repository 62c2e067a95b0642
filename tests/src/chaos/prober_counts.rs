//! A prober's series of one target against what passed at its own end of the network.

use super::scrapes::Reading;
use super::stream::Frame;
use super::traffic::{Connection, Ending};
use super::{MS, Nanos, Outage, Prober};

/// How soon a process has seen what its kernel has.
const SEEN: Nanos = 1000 * MS;
/// A reply this shortly before its connection's end may be lost with it.
const LOST_WITH: Nanos = 100 * MS;
/// Round-trip times this near to the timeout may fall on either side of it.
const NEAR: Nanos = 2 * MS;

/// An attempt is given up after 500 ms. A router that has to find a host first may be slower.
const PATIENCE: Nanos = 450 * MS;

/// What passed, in the order of time.
struct Wire {
    frames: Vec<Frame>,
    /// Each reply and how long it took from its probe's stamp.
    replies: Vec<(Nanos, Nanos)>,
    /// Replies that a connection's end may have taken with it.
    doubtful: Vec<Nanos>,
    made: Vec<Nanos>,
    /// Made, and no probe came over it; the prober may not have seen that it was.
    hollow: Vec<Nanos>,
    ended: [u64; 5],
    /// Ends that came as the connection was stalled.
    close: u64,
    refused: Vec<Nanos>,
    /// Those of them that came when the attempt may have been given up.
    refused_late: Vec<Nanos>,
}

/// What the program counted in the end, and what passed.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counted: Vec<(&'static str, u64)>,
    pub(super) probes: u64,
    pub(super) replies: u64,
    pub(super) connections: u64,
    /// Probes that were handed to the kernel and never left it.
    pub(super) never_left: u64,
    pub(super) doubtful: u64,
}

const REASONS: [&str; 5] = ["eof", "reset", "stalled", "closed", "error"];

impl Wire {
    fn of(connections: &[&Connection], stops: &[Outage], wrong: &mut Vec<String>) -> Self {
        let mut wire = Self {
            frames: Vec::new(),
            replies: Vec::new(),
            doubtful: Vec::new(),
            made: Vec::new(),
            hollow: Vec::new(),
            ended: [0; 5],
            close: 0,
            refused: Vec::new(),
            refused_late: Vec::new(),
        };
        for (index, one) in connections.iter().enumerate() {
            wire.refused.extend(one.refused);
            // A prober that was stopped before its patience ended looks at what came meanwhile.
            let given_up = |at: &Nanos| {
                let asleep = |stop: &Outage| stop.from - one.began < PATIENCE && stop.until > *at;
                at - one.began > PATIENCE && !stops.iter().any(asleep)
            };
            wire.refused_late.extend(one.refused.filter(given_up));
            let Some(made) = one.made else { continue };
            wire.made.push(made);
            let probes = one.probes.frames();
            // Reset before the prober looked, it is an attempt that was refused.
            let reset = matches!(one.end, Some((_, Ending::Reset)));
            if probes.is_empty() && (reset || given_up(&made)) {
                wire.hollow.push(made);
            }
            let replies = one.replies.frames();
            for (probe, reply) in probes.iter().zip(replies) {
                if (probe.seq, probe.stamp) != (reply.seq, reply.stamp) {
                    wrong.push(format!("the reply to {probe:?} is {reply:?}"));
                }
                wire.replies.push((reply.at, reply.at - reply.stamp));
            }
            if replies.len() > probes.len() {
                wrong.push(format!("{} replies to {}", replies.len(), probes.len()));
            }
            wire.frames.extend(probes);
            let last = replies.last().map_or(made, |reply| reply.at);
            wire.frames.extend(
                one.probes
                    .stray(probes.last().map_or(made, |probe| probe.at)),
            );
            let end = match one.end {
                Some(end) => end,
                None if index + 1 < connections.len() => (last, Ending::Aborted),
                None => continue,
            };
            let (at, ending) = end;
            let doubtful = replies.iter().filter(|reply| reply.at > at - LOST_WITH);
            wire.doubtful.extend(doubtful.map(|reply| reply.at));
            wire.ended[match ending {
                Ending::Eof => 0,
                Ending::Reset => 1,
                Ending::Aborted => 2,
                Ending::Closed => 3,
            }] += 1;
            // Before the stall limit of 500 ms no stall was near.
            let silent = at - last > 450 * MS;
            if silent && matches!(ending, Ending::Eof | Ending::Reset) {
                wire.close += 1;
            }
        }
        wire
    }
}

fn until(times: impl Iterator<Item = Nanos>, end: Nanos) -> u64 {
    times.filter(|at| *at <= end).count() as u64
}

/// By when a process had seen all that its kernel had, at a moment.
fn seen(at: Nanos, stops: &[Outage]) -> Nanos {
    let near = stops
        .iter()
        .filter(|stop| stop.from <= at && stop.until + SEEN >= at);
    near.map(|stop| stop.from).fold(at, Nanos::min) - SEEN
}

/// Compares, and gives the final tally. Nothing moved any more at the last scrape.
pub(super) fn compare(
    prober: &Prober,
    target: &str,
    connections: &[&Connection],
    readings: &[Reading],
    stops: &[Outage],
    wrong: &mut Vec<String>,
) -> Tally {
    let wire = Wire::of(connections, stops, wrong);
    for pair in wire.frames.windows(2) {
        if pair[0].seq >= pair[1].seq {
            let (one, two) = (pair[0].seq, pair[1].seq);
            wrong.push(format!("probe {two} was sent after {one}"));
        }
    }
    for one in connections {
        for pair in one.probes.frames().windows(2) {
            if pair[0].seq + 1 != pair[1].seq {
                wrong.push(format!("in a connection {pair:?} follow each other"));
            }
        }
    }
    let of = [("target", target)];
    let mut tally = Tally {
        probes: wire.frames.len() as u64,
        replies: wire.replies.len() as u64,
        connections: wire.made.len() as u64,
        doubtful: wire.doubtful.len() as u64,
        ..Tally::default()
    };
    for (index, reading) in readings.iter().enumerate() {
        let last = index + 1 == readings.len();
        let count = |name: &str| reading.count(&format!("tcp_echo_{name}_total"), &of);
        let early = if last {
            reading.from
        } else {
            seen(reading.from, stops)
        };
        let late = reading.until;
        let mut within = |what: &str, value: u64, least: u64, most: u64| {
            if value < least || value > most {
                wrong.push(format!(
                    "scrape {index} of {}: {what} {value}, but {least} to {most} passed",
                    readings.len()
                ));
            }
        };
        let stamped = |frame: &&Frame| {
            if prober.true_clock {
                frame.stamp
            } else {
                frame.at
            }
        };
        let most = wire
            .frames
            .iter()
            .filter(|frame| stamped(frame) > late + if prober.true_clock { 0 } else { 6 * SEEN })
            .map(|frame| frame.seq - 1)
            .min();
        let before = wire.frames.iter().filter(|frame| stamped(frame) <= early);
        let lowest = before.map(|frame| frame.seq).max().unwrap_or(0);
        within("sent", count("sent"), lowest, most.unwrap_or(u64::MAX));
        let replies = || wire.replies.iter().map(|reply| reply.0);
        let doubtful = until(wire.doubtful.iter().copied(), early);
        within(
            "received and late",
            count("received") + count("late"),
            until(replies(), early).saturating_sub(doubtful),
            until(replies(), late),
        );
        let made = |at| until(wire.made.iter().copied(), at);
        let hollow = until(wire.hollow.iter().copied(), late);
        within(
            "connects",
            count("connects"),
            made(early).saturating_sub(hollow),
            made(late),
        );
        if last {
            final_counts(prober, &of, &wire, reading, &mut tally, &mut within);
        }
    }
    tally
}

/// What is compared when nothing moves any more.
fn final_counts(
    prober: &Prober,
    of: &[(&str, &str)],
    wire: &Wire,
    reading: &Reading,
    tally: &mut Tally,
    within: &mut impl FnMut(&str, u64, u64, u64),
) {
    let count = |name: &str| reading.count(&format!("tcp_echo_{name}_total"), of);
    for name in ["sent", "received", "timeouts", "late", "unsent", "connects"] {
        tally.counted.push((name, count(name)));
    }
    let highest = wire.frames.last().map_or(0, |frame| frame.seq);
    let sent = count("sent");
    within(
        "sent in the end",
        sent,
        highest,
        highest + prober.stall_slots(),
    );
    tally.never_left = sent.saturating_sub(tally.probes);
    if prober.true_clock {
        let timeout = Nanos::try_from(prober.timeout.as_nanos()).unwrap_or(Nanos::MAX);
        let in_time = |limit| wire.replies.iter().filter(|one| one.1 <= limit).count() as u64;
        within(
            "received",
            count("received"),
            in_time(timeout - NEAR).saturating_sub(tally.doubtful),
            in_time(timeout + NEAR),
        );
    }
    let hollow = wire.hollow.len() as u64;
    let doubt = wire.close + hollow;
    for (reason, ended) in REASONS.into_iter().zip(wire.ended) {
        let labels = [of, &[("reason", reason)]].concat();
        let counted = reading.count("tcp_echo_disconnects_total", &labels);
        within(reason, counted, ended.saturating_sub(doubt), ended + doubt);
        tally.counted.push((reason, counted));
    }
    let labels = [of, &[("reason", "refused")]].concat();
    let refused = |at| until(wire.refused.iter().copied(), at);
    within(
        "refused",
        reading.count("tcp_echo_connect_failures_total", &labels),
        refused(reading.from - SEEN).saturating_sub(hollow + wire.refused_late.len() as u64),
        refused(reading.until) + hollow,
    );
}

/// The schedule is absolute: whatever happens, slots stay on their grid.
pub(super) fn slots(
    prober: &Prober,
    target: &str,
    readings: &[Reading],
    stops: &[Outage],
    wrong: &mut Vec<String>,
) {
    let of = [("target", target)];
    let interval = prober.interval.as_nanos() as f64;
    let begun = |reading: &Reading| {
        reading.scrape.sum("tcp_echo_sent_total", &of)
            + reading.scrape.sum("tcp_echo_unsent_total", &of)
    };
    // Slot n is not begun before it is due, so the grid began no later than this.
    let origin = readings
        .iter()
        .map(|one| one.until as f64 - (begun(one) - 1.0) * interval)
        .fold(f64::INFINITY, f64::min);
    for one in readings {
        if stops
            .iter()
            .any(|stop| stop.from < one.until && stop.until + SEEN > one.from)
        {
            continue;
        }
        let late = one.from as f64 - (origin + begun(one) * interval);
        // A host may be busy for a moment; a grid that has moved stays so.
        if late > 300e6 {
            wrong.push(format!(
                "{target}: slots are {:.0} ms behind their grid",
                late / 1e6
            ));
        }
    }
}
