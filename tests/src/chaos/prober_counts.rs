//! Compares a prober's series of one target with the packets captured at its end of the network.

use super::scrapes::Reading;
use super::stream::Frame;
use super::traffic::{Connection, Ending};
use super::{MS, Nanos, Outage, Prober, READ_DELAY};

/// A reply within this time before the end of its connection may be lost with it.
const LOSS_AT_END: Nanos = 100 * MS;
/// A round-trip time this close to the timeout may be on either side of it.
const TIMEOUT_TOLERANCE: Nanos = 2 * MS;

/// Attempts time out after 500 ms; the router may add a delay for address resolution.
const CONNECT_TIMEOUT: Nanos = 450 * MS;

/// Attempts end after 500 ms and a last poll.
const ATTEMPT: Nanos = 550 * MS;

/// The prober reads an answer within this time, and then begins no further handshake of the attempt. The
/// delay before the next attempt is longer.
const SAME_ATTEMPT: Nanos = 20 * MS;

/// Repeated handshakes begin within the 500 ms of an attempt. The router may hold their SYNs back for
/// the three seconds of an address resolution.
const HANDSHAKES: Nanos = 3_500 * MS;

/// The captured events in chronological order.
struct Wire {
    frames: Vec<Frame>,
    /// Each reply's arrival, and the time since its probe's send time.
    replies: Vec<(Nanos, Nanos)>,
    /// Replies that may be lost because their connection ended.
    doubtful: Vec<Nanos>,
    made: Vec<Nanos>,
    /// Connections without a probe, which the prober may not have counted.
    unused: Vec<Nanos>,
    ended: [u64; 5],
    /// Ends close to the stall limit, which may be counted as stalls.
    near_stall: u64,
    refused: Vec<Nanos>,
    /// The refused attempts that may have timed out before.
    refused_late: Vec<Nanos>,
    /// The refused handshakes beside an earlier one of the same attempt, which counts once.
    refused_beside: u64,
}

/// The final counts of the program, and those of the capture.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counted: Vec<(&'static str, u64)>,
    pub(super) probes: u64,
    pub(super) replies: u64,
    pub(super) connections: u64,
    /// Probes that the kernel accepted and never sent.
    pub(super) never_left: u64,
    pub(super) doubtful: u64,
}

const REASONS: [&str; 5] = ["eof", "reset", "stalled", "closed", "error"];

impl Wire {
    fn of(connections: &[&Connection], stops: &[Outage], violations: &mut Vec<String>) -> Self {
        let mut wire = Self {
            frames: Vec::new(),
            replies: Vec::new(),
            doubtful: Vec::new(),
            made: Vec::new(),
            unused: Vec::new(),
            ended: [0; 5],
            near_stall: 0,
            refused: Vec::new(),
            refused_late: Vec::new(),
            refused_beside: 0,
        };
        for (index, one) in connections.iter().enumerate() {
            wire.refused.extend(one.refused);
            // A prober that was stopped before the timeout handles the answer when it continues.
            let timed_out = |at: &Nanos| {
                let was_stopped =
                    |stop: &Outage| stop.from - one.began < CONNECT_TIMEOUT && stop.until > *at;
                at - one.began > CONNECT_TIMEOUT && !stops.iter().any(was_stopped)
            };
            wire.refused_late.extend(one.refused.filter(timed_out));
            let is_beside = |first: &&Connection| {
                let ended = first.refused.or(first.made);
                let ended = ended.unwrap_or(first.began + ATTEMPT);
                first.began < one.began && one.began < ended + SAME_ATTEMPT
            };
            if one.refused.is_some() && connections.iter().any(is_beside) {
                wire.refused_beside += 1;
            }
            let Some(made) = one.made else { continue };
            wire.made.push(made);
            let probes = one.probes.frames();
            // If reset before the prober reads, it counts as a refused attempt.
            let reset = matches!(one.end, Some((_, Ending::Reset)));
            // The prober repeats a handshake that hangs, and leaves all but the first that completes.
            let is_repeated = connections.iter().enumerate().any(|(other_index, other)| {
                other_index != index && (other.began - one.began).abs() <= HANDSHAKES
            });
            if probes.is_empty() && (reset || timed_out(&made) || is_repeated) {
                wire.unused.push(made);
            }
            let replies = one.replies.frames();
            // A server that has answered a hello stamps its replies.
            let is_greeted = probes.first().is_some_and(Frame::is_control);
            for (probe, reply) in probes.iter().zip(replies) {
                if probe.is_control() && reply.is_control() {
                    continue;
                }
                if probe.seq != reply.seq || (probe.stamp != reply.stamp && !is_greeted) {
                    violations.push(format!("the reply to {probe:?} is {reply:?}"));
                }
                wire.replies.push((reply.at, reply.at - probe.stamp));
            }
            if replies.len() > probes.len() {
                violations.push(format!(
                    "{} replies to {} probes",
                    replies.len(),
                    probes.len()
                ));
            }
            wire.frames.extend(one.probes.probes());
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
            let doubtful = one.replies.probes();
            let doubtful = doubtful.filter(|reply| reply.at > at - LOSS_AT_END);
            wire.doubtful.extend(doubtful.map(|reply| reply.at));
            wire.ended[match ending {
                Ending::Eof => 0,
                Ending::Reset => 1,
                Ending::Aborted => 2,
                Ending::Closed => 3,
            }] += 1;
            // The stall limit is 500 ms.
            let is_near_stall = at - last > 450 * MS;
            if is_near_stall && matches!(ending, Ending::Eof | Ending::Reset) {
                wire.near_stall += 1;
            }
        }
        wire
    }
}

fn until(times: impl Iterator<Item = Nanos>, end: Nanos) -> u64 {
    times.filter(|at| *at <= end).count() as u64
}

/// Returns the time up to which a process has read everything its kernel received at `at`.
fn read_until(at: Nanos, stops: &[Outage]) -> Nanos {
    let near = stops
        .iter()
        .filter(|stop| stop.from <= at && stop.until + READ_DELAY >= at);
    near.map(|stop| stop.from).fold(at, Nanos::min) - READ_DELAY
}

/// Compares the scrapes with the capture; returns the final counts. At the last scrape, the counts no
/// longer change.
pub(super) fn compare(
    prober: &Prober,
    target: &str,
    connections: &[&Connection],
    readings: &[Reading],
    stops: &[Outage],
    violations: &mut Vec<String>,
) -> Tally {
    let wire = Wire::of(connections, stops, violations);
    for pair in wire.frames.windows(2) {
        if pair[0].seq >= pair[1].seq {
            let (one, two) = (pair[0].seq, pair[1].seq);
            violations.push(format!("probe {two} was sent after probe {one}"));
        }
    }
    for one in connections {
        let sent: Vec<_> = one.probes.probes().collect();
        for pair in sent.windows(2) {
            if pair[0].seq + 1 != pair[1].seq {
                violations.push(format!("gap within a connection: {pair:?}"));
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
            read_until(reading.from, stops)
        };
        let late = reading.until;
        let mut within = |what: &str, value: u64, min: u64, max: u64| {
            if value < min || value > max {
                violations.push(format!(
                    "scrape {index} of {}: {what} {value}, but {min} to {max} in the capture",
                    readings.len()
                ));
            }
        };
        let sent_at = |frame: &&Frame| {
            if prober.has_true_clock {
                frame.stamp
            } else {
                frame.at
            }
        };
        let clock_error = if prober.has_true_clock {
            0
        } else {
            6 * READ_DELAY
        };
        let highest = wire
            .frames
            .iter()
            .filter(|frame| sent_at(frame) > late + clock_error)
            .map(|frame| frame.seq - 1)
            .min();
        let before = wire.frames.iter().filter(|frame| sent_at(frame) <= early);
        let lowest = before.map(|frame| frame.seq).max().unwrap_or(0);
        within("sent", count("sent"), lowest, highest.unwrap_or(u64::MAX));
        let replies = || wire.replies.iter().map(|reply| reply.0);
        let doubtful = until(wire.doubtful.iter().copied(), early);
        within(
            "received and late",
            count("received") + count("late"),
            until(replies(), early).saturating_sub(doubtful),
            until(replies(), late),
        );
        let made = |at| until(wire.made.iter().copied(), at);
        let unused = until(wire.unused.iter().copied(), late);
        within(
            "connects",
            count("connects"),
            made(early).saturating_sub(unused),
            made(late),
        );
        if last {
            final_counts(prober, &of, &wire, reading, &mut tally, &mut within);
        }
    }
    tally
}

/// Compares the counts that are exact only when they no longer change.
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
        "sent at the end",
        sent,
        highest,
        highest + prober.stall_slots(),
    );
    tally.never_left = sent.saturating_sub(tally.probes);
    if prober.has_true_clock {
        let timeout = Nanos::try_from(prober.timeout.as_nanos()).unwrap_or(Nanos::MAX);
        let in_time = |limit| wire.replies.iter().filter(|one| one.1 <= limit).count() as u64;
        within(
            "received",
            count("received"),
            in_time(timeout - TIMEOUT_TOLERANCE).saturating_sub(tally.doubtful),
            in_time(timeout + TIMEOUT_TOLERANCE),
        );
    }
    let unused = wire.unused.len() as u64;
    let tolerance = wire.near_stall + unused;
    for (reason, ended) in REASONS.into_iter().zip(wire.ended) {
        let labels = [of, &[("reason", reason)]].concat();
        let counted = reading.count("tcp_echo_disconnects_total", &labels);
        within(
            reason,
            counted,
            ended.saturating_sub(tolerance),
            ended + tolerance,
        );
        tally.counted.push((reason, counted));
    }
    let labels = [of, &[("reason", "refused")]].concat();
    let left_out = unused + wire.refused_beside + wire.refused_late.len() as u64;
    let refused = |at| until(wire.refused.iter().copied(), at);
    within(
        "refused",
        reading.count("tcp_echo_connect_failures_total", &labels),
        refused(reading.from - READ_DELAY).saturating_sub(left_out),
        refused(reading.until) + unused,
    );
}

/// Checks that slots follow the absolute schedule.
pub(super) fn slots(
    prober: &Prober,
    target: &str,
    readings: &[Reading],
    stops: &[Outage],
    violations: &mut Vec<String>,
) {
    let of = [("target", target)];
    let interval = prober.interval.as_nanos() as f64;
    let begun = |reading: &Reading| {
        reading.scrape.sum("tcp_echo_sent_total", &of)
            + reading.scrape.sum("tcp_echo_unsent_total", &of)
    };
    // No slot begins before it is due, so the schedule started no later than this.
    let origin = readings
        .iter()
        .map(|one| one.until as f64 - (begun(one) - 1.0) * interval)
        .fold(f64::INFINITY, f64::min);
    for one in readings {
        if stops
            .iter()
            .any(|stop| stop.from < one.until && stop.until + READ_DELAY > one.from)
        {
            continue;
        }
        let late = one.from as f64 - (origin + begun(one) * interval);
        // A busy host is late for a moment; a shifted schedule stays late.
        if late > 300e6 {
            violations.push(format!(
                "{target}: slots are {:.0} ms behind the schedule",
                late / 1e6
            ));
        }
    }
}
