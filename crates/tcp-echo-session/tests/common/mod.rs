//! A driver in virtual time: it jumps to the next wake-up and never sleeps.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]
#![allow(unreachable_pub, reason = "it is a module of each test binary")]

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use tcp_echo_session::{
    Counts, DisconnectReason, Episode, Event, Output, Probe, Session, SessionConfig, Stamp, Time,
    Transmit, UnixNanos, UnsentReason,
};

pub const WALL: i64 = 1_700_000_000_000_000_000;

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

pub fn config(interval: Duration, timeout: Duration) -> SessionConfig {
    SessionConfig::new(interval, timeout).unwrap()
}

/// A session, its virtual clock, and a path that loses or delays each probe.
pub struct Driver {
    pub session: Session,
    pub origin: Instant,
    pub elapsed: Duration,
    pub events: Vec<(Duration, Event)>,
    /// Replies in flight, by the time of arrival and the number.
    replies: BTreeMap<(Duration, u64), Probe>,
    pub stalls: u32,
    tally: Tally,
}

/// The counts as an observer keeps them, from events alone.
#[derive(Default)]
struct Tally {
    sent: u64,
    received: u64,
    timeouts: u64,
    late: u64,
    unexpected: u64,
    unsent: u64,
    outcomes: VecDeque<bool>,
    /// The episode that lasts.
    episode: Option<Episode>,
}

impl Driver {
    pub fn new(config: &SessionConfig) -> Self {
        let origin = Instant::now();
        Self {
            session: Session::new(config, origin),
            origin,
            elapsed: Duration::ZERO,
            events: Vec::new(),
            replies: BTreeMap::new(),
            stalls: 0,
            tally: Tally::default(),
        }
    }

    pub fn connected(config: &SessionConfig) -> Self {
        let mut driver = Self::new(config);
        driver.connect();
        driver
    }

    pub fn now(&self) -> Time {
        Time {
            at: self.origin + self.elapsed,
            wall: UnixNanos(WALL + i64::try_from(self.elapsed.as_nanos()).unwrap()),
        }
    }

    pub fn connect(&mut self) {
        let event =
            self.session
                .handle_connected(self.now().at, ([127, 0, 0, 1], 4000).into(), ms(1));
        self.saw(event);
    }

    pub fn disconnect(&mut self, reason: DisconnectReason) {
        let event = self.session.handle_disconnected(reason);
        self.replies.clear();
        self.saw(event);
    }

    /// A frame arrives now.
    pub fn reply(&mut self, probe: Probe) {
        let read = self.now();
        self.reply_stamped(Stamp { read, kernel: None }, probe);
    }

    pub fn reply_stamped(&mut self, stamp: Stamp, probe: Probe) {
        if let Some(event) = self.session.handle_reply(stamp, probe) {
            self.saw(event);
        }
        self.session.handle_read_end();
    }

    /// Polls until the session waits. `path` returns the delay of a probe's reply, or `None` if
    /// it is lost.
    pub fn settle(&mut self, path: &mut impl FnMut(Probe) -> Option<Duration>) -> Instant {
        loop {
            match self.session.poll(self.now()) {
                Output::Event(event) => self.saw(event),
                Output::Transmit(transmit) => {
                    let probe = self.transmitted(transmit);
                    if let Some(delay) = path(probe) {
                        self.replies
                            .insert((self.elapsed + delay, probe.seq.0), probe);
                    }
                }
                Output::Request(_) => {}
                Output::Close(reason) => {
                    self.stalls += u32::from(reason == DisconnectReason::Stalled);
                    self.disconnect(reason);
                }
                Output::Wait(until) => return until,
            }
        }
    }

    pub fn transmitted(&mut self, transmit: Transmit) -> Probe {
        let event = self.session.handle_transmitted(self.now().at).unwrap();
        self.saw(event);
        Probe::decode(&transmit.frame)
    }

    /// Runs for a span of virtual time.
    pub fn run(&mut self, span: Duration, mut path: impl FnMut(Probe) -> Option<Duration>) {
        let end = self.elapsed + span;
        loop {
            let wake = self.settle(&mut path) - self.origin;
            assert!(wake > self.elapsed, "a wait must lie ahead");
            let reply = self.replies.keys().next().map(|(at, _)| *at);
            let next = reply.map_or(wake, |at| at.min(wake));
            if next > end {
                self.elapsed = end;
                return;
            }
            self.elapsed = next;
            while let Some(entry) = self.replies.first_entry().filter(|e| e.key().0 <= next) {
                let probe = entry.remove();
                self.reply(probe);
            }
        }
    }

    /// Records an event, and asserts the invariants of the session.
    pub fn saw(&mut self, event: Event) {
        let tally = &mut self.tally;
        match &event {
            Event::Sent { .. } => tally.sent += 1,
            Event::Received { .. } => {
                tally.received += 1;
                tally.outcomes.push_back(false);
            }
            Event::TimedOut { .. } => {
                tally.timeouts += 1;
                tally.outcomes.push_back(true);
            }
            Event::Late { .. } => tally.late += 1,
            Event::Unexpected => tally.unexpected += 1,
            Event::Unsent { slots, .. } => {
                tally.unsent += slots;
                let shown = usize::try_from(*slots).unwrap().min(1_000);
                tally.outcomes.extend(std::iter::repeat_n(true, shown));
            }
            Event::Episode(episode) => tally.episode = check_episode(tally.episode, *episode),
            _ => {}
        }
        self.events.push((self.elapsed, event));
        self.check();
    }

    pub fn check(&self) {
        let counts = self.session.counts();
        let in_flight = self.session.in_flight() as u64;
        assert_eq!(counts.sent, counts.received + counts.timeouts + in_flight);
        let writing = u64::from(self.session.is_writing());
        assert_eq!(counts.slots, counts.sent + counts.unsent_total() + writing);
        let tally = &self.tally;
        assert_eq!(
            (counts.sent, counts.received, counts.timeouts),
            (tally.sent, tally.received, tally.timeouts)
        );
        assert_eq!(counts.unexpected, tally.unexpected);
    }

    /// Compares the loss window with the events, once no probe is in flight.
    pub fn check_window(&self) {
        let window = self.session.loss_window();
        let size = window.size() as usize;
        let outcomes = &self.tally.outcomes;
        let last = outcomes.iter().rev().take(size);
        assert_eq!(window.len() as usize, outcomes.len().min(size));
        assert_eq!(window.lost() as usize, last.filter(|lost| **lost).count());
        let counts = self.session.counts();
        assert_eq!(counts.late, self.tally.late);
        assert_eq!(counts.unsent_total(), self.tally.unsent);
    }

    pub fn counts(&self) -> &Counts {
        self.session.counts()
    }

    pub fn unsent(&self, reason: UnsentReason) -> u64 {
        self.session.counts().unsent(reason)
    }
}

/// An event of an episode follows from the last one.
fn check_episode(last: Option<Episode>, episode: Episode) -> Option<Episode> {
    if let Some(last) = last {
        assert!(episode.began <= last.began);
        assert!(episode.slots_lost >= last.slots_lost);
        assert!(episode.ended.is_some() || episode.cause != last.cause);
    } else {
        assert_eq!(episode.ended, None, "one ends that has not begun");
    }
    assert!(episode.ended.is_none_or(|ended| ended >= episode.began));
    episode.ended.is_none().then_some(episode)
}
