//! A thousand delays, each in one part of the round trip, with clocks that are hours apart and
//! drift: each has to be found in its part, with its size.
#![allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tcp_echo_session::{
    Event, Features, Output, Probe, Seq, Session, SessionConfig, Stamp, Time, UnixNanos,
};
use tcp_echo_wire::{Control, PeerStamp};

/// All times of the simulation are in nanoseconds, by a true clock.
const US: i64 = 1_000;
const MS: i64 = 1_000 * US;
const SECOND: i64 = 1_000 * MS;
const HOUR: i64 = 3_600 * SECOND;

/// The prober's realtime clock at the start.
const WALL: i64 = 1_700_000_000 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Prober,
    Forward,
    Peer,
    Reverse,
}

const PARTS: [Part; 4] = [Part::Prober, Part::Forward, Part::Peer, Part::Reverse];

/// A delay in one part.
#[derive(Clone, Copy, Debug)]
struct Episode {
    part: Part,
    from: i64,
    to: i64,
    /// How much longer a way is; a host stands still from begin to end.
    delay: i64,
}

impl Episode {
    fn is_at(&self, part: Part, time: i64) -> bool {
        self.part == part && (self.from..self.to).contains(&time)
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Slot,
    /// A probe reaches the peer's host.
    ProbeArrives(Probe),
    PeerReads,
    /// A segment reaches the prober's host, with all echoes of one read of the peer.
    RepliesArrive,
    ProberReads,
}

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    /// Below `limit`.
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        i64::try_from((self.0 >> 33) % limit.unsigned_abs()).unwrap()
    }
}

struct Simulation {
    session: Session,
    start: Instant,
    random: Random,
    due: BTreeMap<(i64, u64), What>,
    number: u64,
    /// The peer's clock is this much ahead, and gains `drift` in a second.
    ahead: i64,
    drift: f64,
    interval: i64,
    episodes: Vec<Episode>,
    /// Probes that wait to be read by the peer, and when the last one arrived.
    at_peer: (Vec<Probe>, i64),
    last_forward: i64,
    /// Segments of echoes on their way back, in order.
    on_way_back: Vec<Vec<Probe>>,
    last_reverse: i64,
    /// Replies that wait to be read by the prober, and when the last one arrived.
    at_prober: (Vec<Probe>, i64),
    /// The true times of each probe, by its number.
    truth: Vec<[i64; 4]>,
    sent_at: Vec<i64>,
    found: Vec<(i64, [i64; 4])>,
}

const BASE: [(Part, i64); 2] = [(Part::Forward, 3 * MS), (Part::Reverse, 7 * MS)];

impl Simulation {
    fn new(interval: i64, episodes: Vec<Episode>) -> Self {
        let start = Instant::now();
        let timeout = Duration::from_millis(800);
        let config = SessionConfig::new(nanos(interval), timeout).unwrap();
        let mut session = Session::new(&config, start).with_hello(Features::STAMPS);
        session.handle_connected(start, ([192, 0, 2, 1], 4000).into(), Duration::ZERO);
        let mut simulation = Self {
            session,
            start,
            random: Random(7),
            due: BTreeMap::new(),
            number: 0,
            ahead: 5 * HOUR,
            drift: 50e-6,
            interval,
            episodes,
            at_peer: (Vec::new(), 0),
            last_forward: 0,
            on_way_back: Vec::new(),
            last_reverse: 0,
            at_prober: (Vec::new(), 0),
            truth: Vec::new(),
            sent_at: Vec::new(),
            found: Vec::new(),
        };
        simulation.schedule(0, What::Slot);
        simulation
    }

    fn schedule(&mut self, at: i64, what: What) {
        self.number += 1;
        self.due.insert((at, self.number), what);
    }

    fn time(&self, at: i64) -> Time {
        Time {
            at: self.start + nanos(at),
            wall: UnixNanos(WALL + at),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a rounded product")]
    fn peer_clock(&self, at: i64) -> i64 {
        WALL + self.ahead + at + (at as f64 * self.drift) as i64
    }

    /// How long a segment that leaves now takes.
    fn way(&mut self, part: Part, at: i64) -> i64 {
        let base = BASE.iter().find(|(of, _)| *of == part).unwrap().1;
        let delayed = self.episodes.iter().find(|e| e.is_at(part, at));
        base + self.random.below(40 * US) + delayed.map_or(0, |episode| episode.delay)
    }

    /// When a process that is woken at `at` runs.
    fn runs_at(&mut self, part: Part, at: i64) -> i64 {
        let stopped = self.episodes.iter().find(|e| e.is_at(part, at));
        let resumed = stopped.map_or(at, |episode| episode.to);
        resumed + 10 * US + self.random.below(30 * US)
    }

    fn run(&mut self, until: i64) {
        while let Some(((at, _), what)) = self.due.pop_first() {
            if at > until {
                break;
            }
            match what {
                What::Slot => {
                    self.poll(at);
                    let next = (at / self.interval + 1) * self.interval;
                    let runs = self.runs_at(Part::Prober, next);
                    self.schedule(runs, What::Slot);
                }
                What::ProbeArrives(probe) => {
                    if self.at_peer.0.is_empty() {
                        let runs = self.runs_at(Part::Peer, at);
                        self.schedule(runs, What::PeerReads);
                    }
                    self.truth[index(probe)][Part::Forward as usize] = at;
                    self.at_peer.0.push(probe);
                    self.at_peer.1 = at;
                }
                What::PeerReads => self.peer_reads(at),
                What::RepliesArrive => {
                    if self.at_prober.0.is_empty() {
                        let runs = self.runs_at(Part::Prober, at);
                        self.schedule(runs, What::ProberReads);
                    }
                    for probe in self.on_way_back.remove(0) {
                        self.truth[index(probe)][Part::Reverse as usize] = at;
                        self.at_prober.0.push(probe);
                    }
                    self.at_prober.1 = at;
                }
                What::ProberReads => self.prober_reads(at),
            }
        }
    }

    fn poll(&mut self, at: i64) {
        loop {
            match self.session.poll(self.time(at)) {
                Output::Transmit(transmit) => {
                    self.session.handle_transmitted(self.time(at).at);
                    let probe = Probe::decode(&transmit.frame);
                    self.truth.resize(index(probe) + 1, [0; 4]);
                    self.sent_at.resize(index(probe) + 1, at);
                    let arrives = (at + self.way(Part::Forward, at)).max(self.last_forward + US);
                    self.last_forward = arrives;
                    self.schedule(arrives, What::ProbeArrives(probe));
                }
                Output::Request(frame) => {
                    let request = Control::decode(&frame).unwrap();
                    assert_eq!(request, Control::HelloRequest(Features::STAMPS));
                    let answer = Probe::decode(&Control::HelloAnswer(Features::STAMPS).encode());
                    let read = self.time(at);
                    let stamp = Stamp { read, kernel: None };
                    self.session.handle_reply(stamp, answer).unwrap();
                }
                Output::Event(Event::Excess(excess)) => {
                    let parts = [excess.prober, excess.forward, excess.peer, excess.reverse];
                    let parts = parts.map(|part| i64::try_from(part.as_nanos()).unwrap());
                    self.found.push((at, parts));
                }
                Output::Event(_) => {}
                Output::Close(reason) => panic!("{reason}"),
                Output::Wait(_) => break,
            }
        }
    }

    /// Echoes all that has arrived, as one segment, with the stamp of the last.
    fn peer_reads(&mut self, at: i64) {
        let mut probes = std::mem::take(&mut self.at_peer.0);
        let received = self.peer_clock(self.at_peer.1);
        let written = at + 5 * US;
        let residence = nanos(self.peer_clock(written) - received);
        let last = probes.len() - 1;
        for (position, probe) in probes.iter_mut().enumerate() {
            self.truth[index(*probe)][Part::Peer as usize] = written;
            let stamp = PeerStamp {
                received: received.unsigned_abs() % PeerStamp::MODULUS,
                residence: Some(residence),
                is_merged: position < last,
            };
            probe.sent = UnixNanos(i64::from_le_bytes(stamp.encode()));
        }
        let way = self.way(Part::Reverse, written);
        let arrives = (written + way).max(self.last_reverse + US);
        self.last_reverse = arrives;
        self.on_way_back.push(probes);
        self.schedule(arrives, What::RepliesArrive);
    }

    fn prober_reads(&mut self, at: i64) {
        let stamp = Stamp {
            read: self.time(at),
            kernel: Some(UnixNanos(WALL + self.at_prober.1)),
        };
        for probe in std::mem::take(&mut self.at_prober.0) {
            self.truth[index(probe)][Part::Prober as usize] = at;
            let event = self.session.handle_reply(stamp, probe);
            assert!(matches!(event, Some(Event::Received { .. })), "{event:?}");
        }
        self.session.handle_read_end();
        self.poll(at);
    }

    /// The true excess of each part of the probes that were read in this time, the largest of each.
    fn true_excess(&self, from: i64, to: i64) -> [i64; 4] {
        let mut largest = [0; 4];
        let first = self.sent_at.partition_point(|at| *at < from - SECOND);
        let sent = self.sent_at[first..].iter().take_while(|at| **at < to);
        for (sent, truth) in sent.zip(&self.truth[first..]) {
            let [read, arrived, written, back] = *truth;
            if (from..to).contains(&read) {
                let parts = [
                    read - back,
                    arrived - sent - 3 * MS,
                    written - arrived,
                    back - written - 7 * MS,
                ];
                for (largest, part) in largest.iter_mut().zip(parts) {
                    *largest = part.max(*largest);
                }
            }
        }
        largest
    }

    fn found_excess(&self, from: i64, to: i64) -> ([i64; 4], [i64; 4]) {
        let (mut sums, mut largest) = ([0; 4], [0; 4]);
        let first = self.found.partition_point(|(at, _)| *at < from);
        for (_, parts) in self.found[first..].iter().take_while(|(at, _)| *at < to) {
            for (part, excess) in parts.iter().enumerate() {
                sums[part] += excess;
                largest[part] = *excess.max(&largest[part]);
            }
        }
        (sums, largest)
    }
}

fn index(probe: Probe) -> usize {
    let Seq(seq) = probe.seq;
    usize::try_from(seq - 1).unwrap()
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.try_into().unwrap())
}

/// `number` episodes, one every four seconds, each part in turn.
fn episodes(number: i64) -> Vec<Episode> {
    let mut random = Random(3);
    (0..number)
        .map(|n| {
            let part = PARTS[usize::try_from(n).unwrap() % 4];
            let from = 10 * SECOND + n * 4 * SECOND + random.below(SECOND);
            let length = match part {
                Part::Forward | Part::Reverse => SECOND,
                Part::Peer | Part::Prober => 50 * MS,
            };
            Episode {
                part,
                from,
                to: from + length,
                delay: 20 * MS,
            }
        })
        .collect()
}

/// Returns how many delays there were, and how many of them were found in another part or with
/// another size.
fn wrong(interval: i64, number: i64) -> (usize, usize) {
    let episodes = episodes(number);
    let mut simulation = Simulation::new(interval, episodes.clone());
    simulation.run(10 * SECOND + (number + 1) * 4 * SECOND);
    let (mut delays, mut wrong) = (0, 0);
    for episode in &episodes {
        let (from, to) = (episode.from, episode.to + 200 * MS);
        let part = episode.part as usize;
        let truth = simulation.true_excess(from, to);
        if truth[part] < MS {
            // The prober stood still while no reply was on its way.
            continue;
        }
        delays += 1;
        let (sums, largest) = simulation.found_excess(from, to);
        let most = sums.iter().max().unwrap();
        let is_right = sums[part] == *most && *most > 0;
        let error = (largest[part] - truth[part]).abs();
        let is_near = error <= truth[part] / 10 + 200 * US;
        if !is_right || !is_near {
            wrong += 1;
            println!("{episode:?}: true {truth:?}, found {largest:?}, sums {sums:?}");
        }
    }
    (delays, wrong)
}

#[test]
fn a_thousand_episodes_are_found_in_their_part() {
    let (delays, wrong) = wrong(10 * MS, 1000);
    assert!(delays > 990 && wrong <= 10, "{wrong} of {delays}");
}

#[test]
fn they_are_found_at_other_intervals() {
    for interval in [MS, 3 * MS, 25 * MS, 200 * MS] {
        let (delays, wrong) = wrong(interval, 16);
        assert!(
            delays >= 8 && wrong == 0,
            "{wrong} of {delays} at {interval} ns"
        );
    }
}
