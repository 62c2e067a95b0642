//! Tests the comparison with a hand-made connection of two probes, and correct and wrong counts.

use std::net::SocketAddrV4;

use testkit::exposition::Scrape;

use super::packet::{Flags, Segment};
use super::prober_counts::compare;
use super::schedule::Host;
use super::scrapes::Reading;
use super::traffic::{Ending, Traffic};
use super::{MS, Nanos, Outage, PORT, PROBERS, server_counts};

const PROBER: Host = Host::Prober(0);
const SERVER: Host = Host::Server(0);
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn frame(seq: u64, stamp: Nanos) -> Vec<u8> {
    [seq.to_le_bytes(), stamp.to_le_bytes()].concat()
}

/// Adds a segment at both ends of the connection from port 5000.
fn pass(
    traffic: &mut Traffic,
    at: Nanos,
    by_client: bool,
    flags: u8,
    numbers: (u32, u32),
    payload: &[u8],
) {
    pass_from(5000, traffic, at, by_client, flags, numbers, payload);
}

/// Adds a segment at both ends of the connection from a port.
fn pass_from(
    port: u16,
    traffic: &mut Traffic,
    at: Nanos,
    by_client: bool,
    flags: u8,
    numbers: (u32, u32),
    payload: &[u8],
) {
    let client = SocketAddrV4::new(PROBER.address(), port);
    let server = SocketAddrV4::new(SERVER.address(), PORT);
    let (from, to) = if by_client {
        (client, server)
    } else {
        (server, client)
    };
    for (interface, outgoing) in [(101, !by_client), (104, by_client)] {
        traffic.take(&Segment {
            at,
            interface,
            outgoing,
            from,
            to,
            seq: numbers.0,
            ack: numbers.1,
            flags: Flags(flags),
            payload,
        });
    }
}

/// Builds a connection: probe 1 is answered in 1 ms, probe 2 in 100 ms, then comes a reset.
fn traffic() -> Traffic {
    let mut traffic = Traffic::default();
    let one = &mut traffic;
    pass(one, MS, true, SYN, (99, 0), &[]);
    pass(one, MS, false, SYN | ACK, (499, 100), &[]);
    pass(one, MS, true, ACK, (100, 500), &[]);
    pass(one, 10 * MS, true, ACK, (100, 500), &frame(1, 10 * MS));
    pass(one, 11 * MS, false, ACK, (500, 116), &frame(1, 10 * MS));
    pass(one, 20 * MS, true, ACK, (116, 516), &frame(2, 20 * MS));
    pass(one, 120 * MS, false, ACK, (516, 132), &frame(2, 20 * MS));
    // The first reset has an old sequence number, and is ignored.
    pass(one, 500 * MS, false, RST, (516, 0), &[]);
    pass(one, 550 * MS, false, RST, (532, 0), &[]);
    traffic
}

fn reading(received: u64, late: u64, connects: u64, ended: &str) -> Reading {
    let text = format!(
        "tcp_echo_sent_total{{target=\"s0\"}} 2\n\
         tcp_echo_received_total{{target=\"s0\"}} {received}\n\
         tcp_echo_late_total{{target=\"s0\"}} {late}\n\
         tcp_echo_connects_total{{target=\"s0\"}} {connects}\n\
         tcp_echo_disconnects_total{{target=\"s0\",reason=\"{ended}\"}} 1\n\
         tcp_echo_server_accepted_total {connects}\n\
         tcp_echo_server_echoed_bytes_total {}\n",
        16 * received
    );
    Reading {
        from: 2000 * MS,
        until: 2001 * MS,
        scrape: Scrape::parse(&text).unwrap(),
    }
}

fn violations(reading: Reading) -> Vec<String> {
    let traffic = traffic();
    let mut violations = Vec::new();
    let between = traffic.between(PROBER, SERVER);
    let readings = [reading];
    let tally = compare(&PROBERS[0], "s0", &between, &readings, &[], &mut violations);
    assert_eq!((tally.probes, tally.replies, tally.connections), (2, 2, 1));
    violations
}

#[test]
fn both_ends_are_reassembled() {
    let traffic = traffic();
    for (host, peer) in [(PROBER, SERVER), (SERVER, PROBER)] {
        let found = traffic.between(host, peer);
        let ending = if host == PROBER {
            Ending::Reset
        } else {
            Ending::Aborted
        };
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].made, Some(MS));
        assert_eq!(
            (
                found[0].probes.frames().len(),
                found[0].replies.frames().len()
            ),
            (2, 2)
        );
        assert!(
            found[0].end.is_some_and(|end| end.1 == ending),
            "{:?}",
            found[0].end
        );
    }
}

#[test]
fn a_wrong_count_is_detected() {
    assert_eq!(violations(reading(1, 1, 1, "reset")), Vec::<String>::new());
    assert!(!violations(reading(2, 0, 1, "reset")).is_empty());
    assert!(!violations(reading(1, 0, 1, "reset")).is_empty());
    assert!(!violations(reading(1, 1, 2, "reset")).is_empty());
    assert!(!violations(reading(1, 1, 1, "eof")).is_empty());
}

#[test]
fn a_wrong_server_count_is_detected() {
    let traffic = traffic();
    let found = |reading| {
        let mut violations = Vec::new();
        let ends = traffic.between(SERVER, PROBER);
        server_counts::compare(&ends, 0, &[reading], true, &mut violations);
        violations
    };
    assert!(found(reading(2, 0, 1, "eof")).is_empty());
    assert!(!found(reading(1, 0, 1, "eof")).is_empty());
    assert!(!found(reading(2, 0, 2, "eof")).is_empty());
}

/// Returns whether these series, at a late scrape, fit the traffic.
fn fits(traffic: &Traffic, stops: &[Outage], series: &str) -> bool {
    let reading = Reading {
        from: 5000 * MS,
        until: 5001 * MS,
        scrape: Scrape::parse(series).unwrap(),
    };
    let mut violations = Vec::new();
    let between = traffic.between(PROBER, SERVER);
    compare(
        &PROBERS[0],
        "s0",
        &between,
        &[reading],
        stops,
        &mut violations,
    );
    violations.is_empty()
}

/// Returns whether the prober may leave out an attempt that began at 1 ms and was answered with
/// `answer` at `at`, if it sent nothing.
fn may_be_left_out(answer: u8, at: Nanos, end: u8, stop: Option<(Nanos, Nanos)>) -> bool {
    let mut traffic = Traffic::default();
    let one = &mut traffic;
    pass(one, MS, true, SYN, (99, 0), &[]);
    pass(one, at, false, answer | ACK, (499, 100), &[]);
    if answer == SYN {
        pass(one, at, true, ACK, (100, 500), &[]);
        pass(one, at + 50 * MS, false, end | ACK, (500, 100), &[]);
    }
    let stops: Vec<_> = stop
        .map(|(from, until)| Outage {
            host: PROBER,
            from,
            until,
        })
        .into_iter()
        .collect();
    fits(&traffic, &stops, "tcp_echo_sent_total{target=\"s0\"} 0\n")
}

#[test]
fn a_timed_out_attempt_may_be_left_out() {
    for answer in [SYN, RST] {
        assert!(!may_be_left_out(answer, 100 * MS, FIN, None));
        assert!(may_be_left_out(answer, 600 * MS, FIN, None));
        // The process was stopped and saw neither the answer nor the timeout …
        let stop = |from, until| Some((from * MS, until * MS));
        assert!(!may_be_left_out(answer, 100 * MS, FIN, stop(50, 2000)));
        assert!(!may_be_left_out(answer, 600 * MS, FIN, stop(50, 2000)));
        // … or the timeout passed while it was running.
        assert!(may_be_left_out(answer, 1100 * MS, FIN, stop(800, 2000)));
        assert!(may_be_left_out(answer, 1100 * MS, FIN, stop(50, 900)));
    }
    // The reset may have come before the process saw the connection.
    assert!(may_be_left_out(SYN, 100 * MS, RST, None));
}

/// Returns the counts of refused attempts that fit two handshakes, the first of which began at 1 ms and
/// was refused at 2 ms; the second began at `began` and was refused 1 ms later.
fn refused_counts(began: Nanos) -> Vec<u64> {
    let mut traffic = Traffic::default();
    for (port, at) in [(5000, MS), (5001, began)] {
        pass_from(port, &mut traffic, at, true, SYN, (99, 0), &[]);
        pass_from(port, &mut traffic, at + MS, false, RST | ACK, (0, 100), &[]);
    }
    let fits = |refused: &u64| {
        let series = r#"tcp_echo_connect_failures_total{target="s0",reason="refused"}"#;
        fits(&traffic, &[], &format!("{series} {refused}\n"))
    };
    (0..4).filter(fits).collect()
}

#[test]
fn handshakes_of_one_attempt_count_once() {
    assert_eq!(refused_counts(2 * MS), [1, 2]);
    assert_eq!(refused_counts(100 * MS), [2]);
}
