//! A prober and its peer in virtual time, on a network that loses and delays segments, with as much of
//! TCP as tells causes apart: retransmissions and their backoff, acknowledgements with and without
//! data, delayed ones, selective ones, and what the kernel says of all that.

pub mod tcp;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use tcp::{Endpoint, Packet, Side};
use tcp_echo_session::{
    ConnectFailure, DisconnectReason, Episode, Event, Features, Output, Probe, Segments, Session,
    SessionConfig, Stamp, TcpInfo, Time, UnixNanos,
};
use tcp_echo_wire::{Control, PeerStamp};

/// All times are in nanoseconds.
pub const US: i64 = 1_000;
pub const MS: i64 = 1_000 * US;
pub const SECOND: i64 = 1_000 * MS;
const WALL: i64 = 1_700_000_000 * SECOND;

pub fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0).unsigned_abs())
}

/// Numbers that look random, the same in every run.
pub struct Random(pub u64);

impl Random {
    /// Below `limit`.
    pub fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % limit.unsigned_abs()).unwrap()
    }
}

/// What is wrong now. All of it is right by default.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each may be wrong alone")]
pub struct Wrong {
    /// Of a hundred packets, how many are lost, forward and reverse.
    pub loss: [i64; 2],
    /// How much longer each way is.
    pub delay: [i64; 2],
    /// Nothing listens.
    pub is_down: bool,
    pub is_name_gone: bool,
    pub is_peer_stopped: bool,
    pub is_prober_stopped: bool,
}

#[derive(Clone, Debug)]
enum What {
    /// The prober's timer.
    Wake,
    Arrives(Packet),
    Syn(u64),
    SynAnswer(u64, bool),
    Dial,
    DialTimeout(u64),
    Runs(Side),
    Rto(Side, u64),
    DelayedAck(Side, u64),
}

pub struct World {
    pub session: Session,
    pub now: i64,
    pub wrong: Wrong,
    pub random: Random,
    pub found: Vec<Episode>,
    pub start: Instant,
    /// When the first packet was lost, and when the last one was or arrived after all, since this
    /// was reset.
    pub losses: Option<(i64, i64)>,
    pub rtt: i64,
    /// The largest jitter of each way.
    pub jitter: i64,
    has_stamps: bool,
    due: BTreeMap<(i64, u64), What>,
    number: u64,
    last_arrival: [i64; 2],
    /// The connection at the prober and at the peer, and its number.
    prober: Option<(u64, Endpoint)>,
    peer: Option<(u64, Endpoint)>,
    dials: u64,
    is_dialing: bool,
    delay: i64,
    wake: i64,
    next_info: i64,
}

impl World {
    pub fn new(config: &SessionConfig, rtt: i64, has_stamps: bool, seed: u64) -> Self {
        #[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
        let start = Instant::now();
        let features = Features::STAMPS.union(Features::SEGMENTS);
        let mut world = Self {
            session: Session::new(config, start).with_hello(features),
            now: 0,
            wrong: Wrong::default(),
            random: Random(seed),
            found: Vec::new(),
            start,
            losses: None,
            rtt,
            jitter: rtt / 10 + 100 * US,
            has_stamps,
            due: BTreeMap::new(),
            number: 0,
            last_arrival: [0; 2],
            prober: None,
            peer: None,
            dials: 0,
            is_dialing: false,
            delay: 100 * MS,
            wake: 0,
            next_info: 0,
        };
        world.schedule(0, What::Dial);
        world
    }

    fn schedule(&mut self, at: i64, what: What) {
        self.number += 1;
        self.due.insert((at, self.number), what);
    }

    pub fn at(&self, at: i64) -> Instant {
        self.start + nanos(at)
    }

    pub fn since_start(&self, at: Instant) -> i64 {
        i64::try_from((at - self.start).as_nanos()).unwrap()
    }

    fn time(&self) -> Time {
        Time {
            at: self.at(self.now),
            wall: UnixNanos(WALL + self.now),
        }
    }

    /// When a packet that leaves now arrives, if it does.
    fn travel(&mut self, to: Side) -> Option<i64> {
        let way = to as usize;
        if self.random.below(100) < self.wrong.loss[way] {
            let (first, _) = self.losses.unwrap_or((self.now, self.now));
            self.losses = Some((first, self.now));
            return None;
        }
        let delay = self.rtt / 2 + self.random.below(self.jitter.max(1)) + self.wrong.delay[way];
        let arrives = (self.now + delay).max(self.last_arrival[way] + US);
        self.last_arrival[way] = arrives;
        Some(arrives)
    }

    pub fn run(&mut self, until: i64) {
        while let Some((&(at, _), _)) = self.due.first_key_value() {
            if at > until {
                break;
            }
            self.now = at;
            let (_, what) = self.due.pop_first().unwrap();
            self.handle(what);
        }
        self.now = until;
    }

    /// The world changes: what was stopped runs again.
    pub fn change(&mut self, wrong: Wrong) {
        let before = std::mem::replace(&mut self.wrong, wrong);
        if wrong.is_down && !before.is_down && self.peer.take().is_some() {
            // It closes the connection, and the end of stream arrives if it can.
            if let (Some(at), Some((conn, _))) = (self.travel(Side::Prober), &self.prober) {
                let packet = Packet::end(*conn);
                self.schedule(at, What::Arrives(packet));
            }
        }
        if before.is_peer_stopped && !wrong.is_peer_stopped {
            self.schedule(self.now + 50 * US, What::Runs(Side::Peer));
        }
        if before.is_prober_stopped && !wrong.is_prober_stopped {
            self.schedule(self.now + 50 * US, What::Runs(Side::Prober));
        }
    }

    /// The peer's host resets the connection.
    pub fn reset(&mut self) {
        self.peer = None;
        if let (Some(at), Some((conn, _))) = (self.travel(Side::Prober), &self.prober) {
            let packet = Packet::reset(*conn);
            self.schedule(at, What::Arrives(packet));
        }
    }

    fn handle(&mut self, what: What) {
        match what {
            What::Wake => {
                if self.now >= self.wake {
                    self.prober_runs();
                }
            }
            What::Runs(Side::Prober) => self.prober_runs(),
            What::Runs(Side::Peer) => self.peer_runs(),
            What::Dial => self.dial(),
            What::DialTimeout(dial) => {
                if dial == self.dials && self.is_dialing {
                    self.dial_failed(ConnectFailure::Timeout, 500 * MS);
                }
            }
            What::Syn(dial) => {
                let is_accepted = !self.wrong.is_down;
                if is_accepted {
                    self.peer = Some((dial, Endpoint::new(self.now)));
                }
                if let Some(at) = self.travel(Side::Prober) {
                    self.schedule(at, What::SynAnswer(dial, is_accepted));
                }
            }
            What::SynAnswer(dial, is_accepted) => {
                let is_current = dial == self.dials && self.is_dialing;
                if is_current && is_accepted {
                    self.connected(dial);
                } else if is_current {
                    self.dial_failed(ConnectFailure::Refused, self.rtt);
                }
            }
            What::Arrives(packet) => self.arrives(&packet),
            What::Rto(side, number) => {
                if let Some(endpoint) = self.endpoint(side)
                    && let Some(ids) = endpoint.on_rto(number)
                {
                    self.send(side, &ids);
                }
            }
            What::DelayedAck(side, number) => {
                if let Some(endpoint) = self.endpoint(side)
                    && endpoint.owes_ack(number)
                {
                    self.send_ack(side, None);
                }
            }
        }
    }

    fn endpoint(&mut self, side: Side) -> Option<&mut Endpoint> {
        let both = match side {
            Side::Prober => &mut self.prober,
            Side::Peer => &mut self.peer,
        };
        both.as_mut().map(|(_, endpoint)| endpoint)
    }

    fn dial(&mut self) {
        self.dials += 1;
        let dial = self.dials;
        self.is_dialing = true;
        if self.wrong.is_name_gone {
            self.dial_failed(ConnectFailure::Dns, 0);
            return;
        }
        if let Some(at) = self.travel(Side::Peer) {
            self.schedule(at, What::Syn(dial));
        }
        self.schedule(self.now + 500 * MS, What::DialTimeout(dial));
    }

    fn dial_failed(&mut self, reason: ConnectFailure, took: i64) {
        let at = self.at(self.now);
        self.is_dialing = false;
        self.session.handle_connect_failed(at, reason);
        self.redial(took);
        self.schedule(self.now, What::Runs(Side::Prober));
    }

    fn redial(&mut self, took: i64) {
        let delay = self.delay / 2 + self.random.below(self.delay / 2);
        self.delay = (self.delay * 2).min(SECOND);
        self.schedule(self.now + (delay - took).max(0), What::Dial);
    }

    fn connected(&mut self, conn: u64) {
        self.prober = Some((conn, Endpoint::new(self.now)));
        self.is_dialing = false;
        let (at, handshake) = (self.at(self.now), nanos(self.rtt));
        self.session
            .handle_connected(at, ([192, 0, 2, 1], 4000).into(), handshake);
        self.next_info = self.now;
        self.schedule(self.now, What::Runs(Side::Prober));
    }

    fn disconnect(&mut self, reason: DisconnectReason) {
        self.read_tcp_info();
        let Some((conn, _)) = self.prober.take() else {
            return;
        };
        if reason == DisconnectReason::Stalled
            && let Some(at) = self.travel(Side::Peer)
        {
            self.schedule(at, What::Arrives(Packet::reset(conn).to(Side::Peer)));
        }
        self.session.handle_disconnected(reason);
        self.redial(0);
        self.schedule(self.now, What::Runs(Side::Prober));
    }

    fn arrives(&mut self, packet: &Packet) {
        let side = packet.to;
        let connection = match side {
            Side::Prober => &mut self.prober,
            Side::Peer => &mut self.peer,
        };
        let is_current = |(conn, _): &&mut (u64, Endpoint)| *conn == packet.conn;
        let Some((_, endpoint)) = connection.as_mut().filter(is_current) else {
            return;
        };
        if packet.is_end() {
            match (side, packet.is_reset()) {
                (Side::Peer, _) => self.peer = None,
                (Side::Prober, true) => self.disconnect(DisconnectReason::Reset),
                (Side::Prober, false) => self.disconnect(DisconnectReason::Eof),
            }
            return;
        }
        let done = endpoint.receive(packet, self.now);
        if let Some((_, last)) = &mut self.losses
            && packet.is_again
        {
            *last = self.now;
        }
        if done.has_read {
            self.schedule(self.now + 20 * US, What::Runs(side));
        }
        if done.acks_now {
            self.send_ack(side, done.duplicate);
        } else if let Some(number) = done.ack_later {
            self.schedule(self.now + 40 * MS, What::DelayedAck(side, number));
        }
        self.send(side, &done.send);
    }

    /// Sends these segments, and new ones.
    fn send(&mut self, side: Side, again: &[u64]) {
        let conn = match side {
            Side::Prober => self.prober.as_ref(),
            Side::Peer => self.peer.as_ref(),
        };
        let Some(conn) = conn.map(|(conn, _)| *conn) else {
            return;
        };
        let now = self.now;
        let Some(endpoint) = self.endpoint(side) else {
            return;
        };
        let packets = endpoint.packets(again, now, conn, side);
        let rto = endpoint.arm();
        for packet in packets {
            if let Some(at) = self.travel(packet.to) {
                self.schedule(at, What::Arrives(packet));
            }
        }
        if let Some((after, number)) = rto {
            self.schedule(now + after, What::Rto(side, number));
        }
    }

    fn send_ack(&mut self, side: Side, duplicate: Option<u64>) {
        let conn = match side {
            Side::Prober => self.prober.as_ref(),
            Side::Peer => self.peer.as_ref(),
        };
        let Some(conn) = conn.map(|(conn, _)| *conn) else {
            return;
        };
        let Some(endpoint) = self.endpoint(side) else {
            return;
        };
        let packet = endpoint.ack(conn, side, duplicate);
        if let Some(at) = self.travel(packet.to) {
            self.schedule(at, What::Arrives(packet));
        }
    }

    fn peer_runs(&mut self) {
        if self.wrong.is_peer_stopped {
            return;
        }
        let (now, has_stamps) = (self.now, self.has_stamps);
        let Some((_, endpoint)) = &mut self.peer else {
            return;
        };
        let read: Vec<_> = endpoint.received.drain(..).collect();
        let Some((_, arrived)) = read.last().copied() else {
            return;
        };
        let last = read.len() - 1;
        let reverse = endpoint.segments();
        for (position, (mut frame, _)) in read.into_iter().enumerate() {
            let probe = Probe::decode(&frame);
            match probe.control() {
                Some(Control::HelloRequest(features)) if has_stamps => {
                    frame = Control::HelloAnswer(features).encode();
                }
                Some(Control::SegmentsRequest) if has_stamps => {
                    frame = Control::SegmentsAnswer(reverse).encode();
                }
                None if has_stamps => {
                    let stamp = PeerStamp {
                        received: (arrived + 77 * SECOND).unsigned_abs() % PeerStamp::MODULUS,
                        residence: Some(nanos(now - arrived + 5 * US)),
                        is_merged: position < last,
                    };
                    let sent = UnixNanos(i64::from_le_bytes(stamp.encode()));
                    frame = Probe { sent, ..probe }.encode();
                }
                _ => {}
            }
            endpoint.write(frame);
        }
        self.send(Side::Peer, &[]);
    }

    fn prober_runs(&mut self) {
        if self.wrong.is_prober_stopped {
            return;
        }
        let read = self.time();
        let received: VecDeque<_> = match &mut self.prober {
            Some((_, endpoint)) => std::mem::take(&mut endpoint.received),
            None => VecDeque::new(),
        };
        let kernel = received.back().map(|(_, at)| UnixNanos(WALL + at));
        for (frame, _) in received {
            let probe = Probe::decode(&frame);
            let event = self.session.handle_reply(Stamp { read, kernel }, probe);
            if matches!(event, Some(Event::Received { .. })) {
                self.delay = 100 * MS;
            }
        }
        self.session.handle_read_end();
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.session.poll(self.time()) {
                Output::Event(Event::Episode(episode)) => self.found.push(episode),
                Output::Event(_) => {}
                Output::Transmit(transmit) => {
                    self.write(transmit.frame);
                    self.session.handle_transmitted(self.at(self.now));
                }
                Output::Request(frame) => self.write(frame),
                Output::Close(reason) => {
                    self.disconnect(reason);
                    return;
                }
                Output::Wait(until) => {
                    if self.now >= self.next_info || self.session.asks_for_tcp_info() {
                        self.next_info = self.now + SECOND;
                        self.read_tcp_info();
                    }
                    self.wake = self.since_start(until).max(self.now + US);
                    self.schedule(self.wake, What::Wake);
                    return;
                }
            }
        }
    }

    fn write(&mut self, frame: [u8; 16]) {
        if let Some(endpoint) = self.endpoint(Side::Prober) {
            endpoint.write(frame);
        }
        self.send(Side::Prober, &[]);
    }

    fn read_tcp_info(&mut self) {
        let (now, at) = (self.now, self.at(self.now));
        let Some((_, endpoint)) = &self.prober else {
            return;
        };
        let Segments { sent, lost } = endpoint.segments();
        let info = TcpInfo {
            srtt: nanos(endpoint.srtt),
            retransmits: endpoint.retransmits,
            segments: Some(Segments { sent, lost }),
            since_ack: Some(nanos((now - endpoint.last_ack) / MS * MS)),
            sacked: Some(endpoint.sacked()),
            received_segments: Some(endpoint.segments_in),
            out_of_order: Some(endpoint.out_of_order),
            ..TcpInfo::default()
        };
        self.session.handle_tcp_info(at, info);
    }
}
