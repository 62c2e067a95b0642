//! A model of a session, updated from its inputs and events.

use std::{
    collections::{BTreeMap, VecDeque},
    iter,
    time::{Duration, Instant},
};

use tcp_echo_session::{
    ConnectFailure, Counts, DisconnectReason, Event, Output, Probe, Session, SessionConfig, Stamp,
    TcpInfo, Time, Transmit, UnixNanos,
};

const WALL: i64 = 1_700_000_000_000_000_000;
/// The maximum time. Some times are 64-bit nanoseconds, which overflow after 584 years.
const MAX_DURATION: Duration = Duration::from_secs(400 * 365 * 24 * 60 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeState {
    InFlight,
    Received,
    TimedOut,
    Late,
}

/// The sums of the events.
#[derive(Debug, Default)]
struct Tally {
    received: u64,
    timeouts: u64,
    late: u64,
    unexpected: u64,
    unsent: u64,
}

pub(super) struct Model {
    session: Session,
    origin: Instant,
    elapsed: Duration,
    /// The offset of the realtime clock.
    step: i64,
    writing: Option<Transmit>,
    sent: Vec<Probe>,
    states: BTreeMap<u64, ProbeState>,
    tally: Tally,
    /// The counts after the last call, and the outcomes derived from them (true if lost).
    counts: Counts,
    outcomes: VecDeque<bool>,
    retransmits: u64,
}

impl Model {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let origin = Instant::now();
        Self {
            session: Session::new(config, origin),
            origin,
            elapsed: Duration::ZERO,
            step: 0,
            writing: None,
            sent: Vec::new(),
            states: BTreeMap::new(),
            tally: Tally::default(),
            counts: Counts::default(),
            outcomes: VecDeque::new(),
            retransmits: 0,
        }
    }

    pub(super) fn has_time(&self) -> bool {
        self.elapsed < MAX_DURATION
    }

    fn at(&self) -> Instant {
        self.origin + self.elapsed
    }

    pub(super) fn wall(&self) -> UnixNanos {
        // The clock overflows in 2262; a session must handle the wraparound.
        let passed = self.elapsed.as_nanos().to_le_bytes();
        let passed = i64::from_le_bytes(passed[..8].try_into().unwrap());
        UnixNanos(WALL.wrapping_add(passed).wrapping_add(self.step))
    }

    pub(super) fn step_clock(&mut self, by: i64) {
        self.step = self.step.wrapping_add(by);
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.elapsed += span;
    }

    pub(super) fn sent_before(&self, nth: u8) -> Option<Probe> {
        self.sent.iter().rev().nth(nth.into()).copied()
    }

    /// Polls and performs the outputs until the session waits.
    pub(super) fn settle(&mut self) {
        while self.poll_to_transmit() {
            self.finish();
        }
        // A waiting session keeps waiting.
        assert!(matches!(self.poll(), Output::Wait(_)));
        let (tally, counts) = (&self.tally, &self.counts);
        assert_eq!(tally.received, counts.received);
        assert_eq!(tally.timeouts, counts.timeouts);
        assert_eq!(tally.late, counts.late);
        assert_eq!(tally.unexpected, counts.unexpected);
        assert_eq!(tally.unsent, counts.unsent_total());
    }

    /// Polls until a slot is due; returns false if the session waits instead.
    pub(super) fn poll_to_transmit(&mut self) -> bool {
        loop {
            match self.poll() {
                Output::Wait(_) => return false,
                Output::Transmit(_) => return true,
                Output::Event(_) | Output::Request(_) | Output::Close(_) => {}
            }
        }
    }

    pub(super) fn poll(&mut self) -> Output {
        let at = self.at();
        let wall = self.wall();
        let output = self.session.poll(Time { at, wall });
        match &output {
            Output::Event(event) => self.saw(event),
            Output::Transmit(transmit) => {
                assert!(self.session.is_connected() && self.writing.is_none());
                assert_eq!(Probe::decode(&transmit.frame).sent, wall);
                self.writing = Some(*transmit);
            }
            Output::Close(reason) => {
                assert!(self.session.is_connected());
                self.disconnect(*reason);
            }
            Output::Request(_) => panic!("it has no hello"),
            Output::Wait(until) => assert!(*until > at),
        }
        self.check();
        output
    }

    pub(super) fn finish(&mut self) {
        let event = self.session.handle_transmitted(self.at());
        let transmit = self.writing.take();
        assert_eq!(event.is_some(), transmit.is_some());
        if let (Some(event), Some(transmit)) = (event, transmit) {
            let probe = Probe::decode(&transmit.frame);
            assert!(matches!(event, Event::Sent { seq, .. } if seq == probe.seq));
            self.saw(&event);
            self.sent.push(probe);
            assert_eq!(probe.seq.0, self.sent.len() as u64);
        }
        self.check();
    }

    pub(super) fn blocked(&mut self) {
        let event = self.session.handle_blocked();
        assert_eq!(event.is_some(), self.writing.take().is_some());
        if let Some(event) = event {
            self.saw(&event);
        }
        self.check();
    }

    pub(super) fn connect(&mut self, handshake: Duration) {
        let peer = ([127, 0, 0, 1], 4000).into();
        let event = self.session.handle_connected(self.at(), peer, handshake);
        self.writing = None;
        self.saw(&event);
        self.check();
    }

    pub(super) fn connect_fails(&mut self) {
        if self.session.is_connected() {
            return;
        }
        let event = self
            .session
            .handle_connect_failed(self.at(), ConnectFailure::Refused);
        self.saw(&event);
        self.check();
    }

    pub(super) fn disconnect(&mut self, reason: DisconnectReason) {
        let event = self.session.handle_disconnected(reason);
        self.writing = None;
        assert!(!self.session.is_connected());
        self.saw(&event);
        self.check();
    }

    pub(super) fn reply(&mut self, probe: Probe, kernel: Option<UnixNanos>) {
        let at = self.at();
        let state = self.states.get(&probe.seq.0).copied();
        let wall = self.wall();
        let read = Time { at, wall };
        let Some(event) = self.session.handle_reply(Stamp { read, kernel }, probe) else {
            panic!("without a hello every frame is a reply");
        };
        // Only an exact copy of the probe counts, and only once.
        let known = probe.seq.0.checked_sub(1).and_then(|index| {
            let index = usize::try_from(index).ok()?;
            self.sent.get(index)
        });
        if known != Some(&probe) || matches!(state, Some(ProbeState::Received | ProbeState::Late)) {
            assert_eq!(event, Event::Unexpected);
        }
        self.saw(&event);
        self.check();
    }

    pub(super) fn tcp_info(&mut self, info: TcpInfo) {
        let Event::TcpInfo(all) = self.session.handle_tcp_info(self.at(), info) else {
            panic!("unexpected event");
        };
        // Those of earlier connections are still counted.
        assert!(all.retransmits >= self.retransmits);
        self.retransmits = all.retransmits;
        self.check();
    }

    fn saw(&mut self, event: &Event) {
        let tally = &mut self.tally;
        match event {
            Event::Sent { seq, .. } => {
                assert_eq!(self.states.insert(seq.0, ProbeState::InFlight), None);
            }
            Event::Received { seq, rtt, .. } => {
                tally.received += 1;
                assert!(*rtt <= self.session.config().timeout());
                self.becomes(seq.0, ProbeState::InFlight, ProbeState::Received);
            }
            Event::TimedOut { seq } => {
                tally.timeouts += 1;
                self.becomes(seq.0, ProbeState::InFlight, ProbeState::TimedOut);
            }
            Event::Late { seq } => {
                tally.late += 1;
                self.becomes(seq.0, ProbeState::TimedOut, ProbeState::Late);
            }
            Event::Unexpected => tally.unexpected += 1,
            Event::Unsent { slots, .. } => {
                assert!(*slots > 0);
                tally.unsent += slots;
            }
            _ => {}
        }
    }

    fn becomes(&mut self, seq: u64, from: ProbeState, to: ProbeState) {
        assert_eq!(self.states.insert(seq, to), Some(from), "probe {seq}");
    }

    /// Checks the invariants after every call.
    fn check(&mut self) {
        let counts = *self.session.counts();
        let in_flight = self.session.in_flight() as u64;
        assert_eq!(counts.sent, counts.received + counts.timeouts + in_flight);
        assert_eq!(self.session.is_writing(), self.writing.is_some());
        let writing = u64::from(self.session.is_writing());
        assert_eq!(counts.slots, counts.sent + counts.unsent_total() + writing);
        assert_eq!(counts.sent, self.sent.len() as u64);
        assert!(self.session.jitter_seconds() >= 0.0);
        self.check_window(&counts);
        self.counts = counts;
    }

    /// Checks the loss window. One call counts outcomes of only one kind.
    fn check_window(&mut self, counts: &Counts) {
        let window = self.session.loss_window();
        let size = window.size() as usize;
        let before = &self.counts;
        let received = counts.received - before.received;
        let lost =
            (counts.timeouts - before.timeouts) + (counts.unsent_total() - before.unsent_total());
        assert!(received == 0 || lost == 0);
        for (new, is_lost) in [(received, false), (lost, true)] {
            let new = usize::try_from(new).unwrap_or(size).min(size);
            self.outcomes.extend(iter::repeat_n(is_lost, new));
        }
        let beyond = self.outcomes.len().saturating_sub(size);
        self.outcomes.drain(..beyond);
        let lost = self.outcomes.iter().filter(|lost| **lost).count();
        assert_eq!(window.len() as usize, self.outcomes.len());
        assert_eq!(window.lost() as usize, lost);
    }
}
