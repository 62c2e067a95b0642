//! The state machine: what is told to it, and what it says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tcp_echo_loss::{LossWindow, Outcome};
use tcp_echo_wire::{FRAME_LEN, Probe, Seq};

use crate::{
    ConnectFailure, Counts, DisconnectReason, Event, SessionConfig, Stamp, TcpInfo, Time,
    UnsentReason, expired::Expired, in_flight::InFlight, jitter::Jitter, link::Link,
    outcomes::Outcomes, schedule::Schedule,
};

/// A slot may be sent late by its interval. Where that is shorter than a hiccup of
/// the host, a few intervals ([`BURST`]) within these bounds: a short burst after it is
/// still a measurement, a long one would measure itself.
const LEAST_TOLERANCE: Duration = Duration::from_millis(1);
const MOST_BURST: Duration = Duration::from_millis(5);
const BURST: u32 = 5;

/// The probing session of one target; see the [crate's overview](crate).
///
/// Connections come and go under it; sequence numbers, schedule, loss window and
/// counts go on.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    schedule: Schedule,
    /// While the first attempt to connect is under way: when the schedule begins
    /// whatever comes of it.
    begins_by: Option<Instant>,
    link: Option<Link>,
    /// Why slots pass while there is no connection.
    missing: UnsentReason,
    writing: Option<Transmit>,
    next: Seq,
    in_flight: InFlight,
    expired: Expired,
    outcomes: Outcomes,
    jitter: Jitter,
    counts: Counts,
    /// The stall limit in force.
    stall: Duration,
    /// Retransmissions on the connections that are gone.
    past_retransmits: u64,
    /// Events that follow one already given, from the same input.
    owed: VecDeque<Event>,
}

/// What a session wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// This happened; poll again.
    Event(Event),
    /// A slot is due: write the frame, say what came of it, poll again.
    Transmit(Transmit),
    /// Nothing has come back for longer than the stall limit: close the
    /// connection, call [`Session::handle_disconnected`] with
    /// [`DisconnectReason::Stalled`], and connect anew.
    Stalled,
    /// Nothing to do before this moment, unless there is something to handle.
    Wait(Instant),
}

/// A probe that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The bytes to write.
    pub frame: [u8; FRAME_LEN],
    time: Time,
    due: Instant,
}

impl Transmit {
    fn new(seq: Seq, time: Time, due: Instant) -> Self {
        let sent = time.wall;
        Self {
            frame: Probe { seq, sent }.encode(),
            time,
            due,
        }
    }
}

impl Session {
    /// A session whose slots are due at `origin` and every interval from there.
    ///
    /// The schedule begins with the first attempt's outcome
    /// ([`handle_connected`](Self::handle_connected) or
    /// [`handle_connect_failed`](Self::handle_connect_failed)), with
    /// [`handle_out_of_resources`](Self::handle_out_of_resources), and at the latest
    /// one timeout after `origin`: the time that a first handshake takes is no loss.
    pub fn new(config: &SessionConfig, origin: Instant) -> Self {
        Self {
            schedule: Schedule::new(origin, config.interval),
            begins_by: Some(origin + config.timeout),
            link: None,
            missing: UnsentReason::Disconnected,
            writing: None,
            next: Seq::FIRST,
            in_flight: InFlight::new(),
            expired: Expired::default(),
            outcomes: Outcomes::new(config.window),
            jitter: Jitter::default(),
            counts: Counts::default(),
            stall: config.stall(),
            past_retransmits: 0,
            owed: VecDeque::new(),
            config: config.clone(),
        }
    }

    /// A connection was made, in place of any other.
    pub fn handle_connected(
        &mut self,
        at: Instant,
        address: SocketAddr,
        handshake: Duration,
    ) -> Event {
        self.begin(at);
        self.drop_link();
        self.missing = UnsentReason::Disconnected;
        self.link = Some(Link::new(self.next));
        Event::Connected { address, handshake }
    }

    /// An attempt to connect failed.
    pub fn handle_connect_failed(&mut self, at: Instant, reason: ConnectFailure) -> Event {
        self.begin(at);
        self.missing = UnsentReason::Disconnected;
        Event::ConnectFailed { reason }
    }

    /// No connection can be attempted for want of a file descriptor or of memory. Slots
    /// without a connection are [`UnsentReason::Resources`] from now on, until the next
    /// attempt's outcome.
    pub fn handle_out_of_resources(&mut self, at: Instant) {
        self.begin(at);
        self.missing = UnsentReason::Resources;
    }

    /// The connection is gone. Its probes stay in flight until their own timeouts;
    /// a frame that was written in part is an unsent slot.
    pub fn handle_disconnected(&mut self, reason: DisconnectReason) -> Event {
        self.drop_link();
        Event::Disconnected { reason }
    }

    /// The frame being written was handed to the kernel whole. Gives
    /// [`Event::Sent`], or nothing where no frame was being written. `at` is the moment of
    /// the frame's stamp, or where it was written in parts, of the last.
    #[inline]
    pub fn handle_transmitted(&mut self, at: Instant) -> Option<Event> {
        let transmit = self.writing.take()?;
        let seq = self.next;
        self.next = seq.next();
        self.in_flight.push(transmit.time);
        self.counts.sent += 1;
        if let Some(link) = &mut self.link {
            link.sent(transmit.time.at);
        }
        Some(Event::Sent {
            seq,
            lateness: at.saturating_duration_since(transmit.due),
        })
    }

    /// The kernel took nothing of the frame being written: its send buffer is
    /// full. Gives [`Event::Unsent`], or nothing where no frame was being written.
    pub fn handle_blocked(&mut self) -> Option<Event> {
        self.writing.take()?;
        Some(self.unsent(UnsentReason::Backpressure, 1))
    }

    /// A frame arrived: gives [`Event::Received`], [`Event::Late`],
    /// [`Event::Unexpected`], or [`Event::TimedOut`] where it came after its
    /// timeout and before that was counted (the `Late` follows at the next poll).
    #[inline]
    pub fn handle_reply(&mut self, stamp: Stamp, reply: Probe) -> Event {
        let seq = reply.seq;
        let Some(link) = self.link.as_mut().filter(|link| link.carried(seq)) else {
            self.counts.unexpected += 1;
            return Event::Unexpected;
        };
        if let Some(sent) = self.in_flight.answer(reply) {
            link.received(stamp.read.at);
            let rtt = stamp.since(sent);
            if rtt.rtt <= self.config.timeout {
                self.counts.received += 1;
                self.outcomes.record(Outcome::Received);
                self.jitter.record(rtt.rtt);
                return Event::Received {
                    seq,
                    rtt: rtt.rtt,
                    host_delay: rtt.host_delay,
                };
            }
            self.counts.late += 1;
            self.owed.push_back(Event::Late { seq });
            return self.timed_out(seq);
        }
        if self.expired.answer(reply) {
            link.answered(stamp.read.at);
            self.counts.late += 1;
            return Event::Late { seq };
        }
        self.counts.unexpected += 1;
        Event::Unexpected
    }

    /// The kernel's view of the present connection was read; `info.retransmits`
    /// are those of this connection, the event's are those of all.
    pub fn handle_tcp_info(&mut self, info: TcpInfo) -> Event {
        if let Some(link) = &mut self.link {
            link.retransmits = link.retransmits.max(info.retransmits);
        }
        Event::TcpInfo(TcpInfo {
            retransmits: self.retransmits(),
            ..info
        })
    }

    /// What to do next. Polling is idempotent once it gives [`Output::Wait`].
    #[inline]
    pub fn poll(&mut self, now: Time) -> Output {
        self.poll_read_until(now, now.at)
    }

    /// The same for a driver that has read what had arrived by `read`, and not yet all
    /// that has since: no timeout and no stall is told that came later. What it then
    /// says to wait for may have passed already.
    #[inline]
    pub fn poll_read_until(&mut self, now: Time, read: Instant) -> Output {
        if let Some(event) = self.owed.pop_front() {
            return Output::Event(event);
        }
        let judged = read.min(now.at);
        if let Some((seq, sent)) = self.in_flight.expire(judged, self.config.timeout) {
            if let Some(link) = self.link.as_mut().filter(|link| link.carried(seq)) {
                link.timed_out();
                self.expired.push(seq, sent);
            }
            return Output::Event(self.timed_out(seq));
        }
        let stalls_at = self.stalls_at();
        if stalls_at.is_some_and(|at| at <= judged) {
            return Output::Stalled;
        }
        if self.begins_by.is_some_and(|by| by <= now.at) {
            self.begin(now.at);
        }
        if self.begins_by.is_none() && self.schedule.due() <= now.at {
            return self.take_slots(now);
        }
        let slot = self.begins_by.unwrap_or(self.schedule.due());
        let deadline = self.in_flight.deadline(self.config.timeout);
        let others = [deadline, stalls_at].into_iter().flatten();
        Output::Wait(others.fold(slot, Instant::min))
    }

    /// Stamps the frame being written anew, before any of it is written: for a driver
    /// that did anything between the reading of the clocks that it polled with and the
    /// write. Gives the frame to write, or nothing where none is being written.
    pub fn restamp(&mut self, now: Time) -> Option<Transmit> {
        let seq = self.next;
        let transmit = self.writing.as_mut()?;
        *transmit = Transmit::new(seq, now, transmit.due);
        Some(*transmit)
    }

    /// Takes slots that are due: all that can't be sent for one reason, or one to send.
    #[inline]
    fn take_slots(&mut self, now: Time) -> Output {
        let reason = match (&self.link, &self.writing) {
            (None, _) => Some(self.missing),
            (Some(_), Some(_)) => Some(UnsentReason::Backpressure),
            (Some(_), None) => None,
        };
        if let Some(reason) = reason {
            let slots = self.schedule.pending(now.at);
            self.begin_slots(slots);
            return Output::Event(self.unsent(reason, slots));
        }
        let interval = self.config.interval;
        let burst = interval.saturating_mul(BURST);
        let tolerance = interval.max(burst.clamp(LEAST_TOLERANCE, MOST_BURST));
        let passed = now
            .at
            .checked_sub(tolerance)
            .map_or(0, |at| self.schedule.pending(at));
        if passed > 0 {
            self.begin_slots(passed);
            return Output::Event(self.unsent(UnsentReason::Overrun, passed));
        }
        let transmit = Transmit::new(self.next, now, self.schedule.due());
        self.begin_slots(1);
        self.writing = Some(transmit);
        Output::Transmit(transmit)
    }

    fn begin_slots(&mut self, slots: u64) {
        self.schedule.advance(slots);
        self.counts.slots += slots;
    }

    fn unsent(&mut self, reason: UnsentReason, slots: u64) -> Event {
        self.counts.unsent[reason as usize] += slots;
        self.outcomes.record_unsent(reason, slots);
        Event::Unsent { reason, slots }
    }

    fn timed_out(&mut self, seq: Seq) -> Event {
        self.counts.timeouts += 1;
        self.outcomes.record(Outcome::Lost);
        Event::TimedOut { seq }
    }

    /// Begins the schedule, if it has not begun.
    fn begin(&mut self, at: Instant) {
        if self.begins_by.take().is_some() {
            self.schedule.begin(at);
        }
    }

    fn drop_link(&mut self) {
        if let Some(link) = self.link.take() {
            self.past_retransmits += link.retransmits;
            self.expired.clear();
        }
        if self.writing.take().is_some() {
            let unsent = self.unsent(UnsentReason::Disconnected, 1);
            self.owed.push_back(unsent);
        }
    }

    fn stalls_at(&self) -> Option<Instant> {
        self.link.as_ref()?.stalls_at(self.stall)
    }

    fn retransmits(&self) -> u64 {
        self.past_retransmits + self.link.map_or(0, |link| link.retransmits)
    }

    /// When the oldest probe in flight times out or the connection counts as stalled,
    /// whichever is sooner. A driver that was woken at or after it reads what has arrived
    /// before it polls, or says with [`poll_read_until`](Self::poll_read_until) how far it
    /// has come.
    pub fn next_deadline(&self) -> Option<Instant> {
        let timeout = self.in_flight.deadline(self.config.timeout);
        let both = [timeout, self.stalls_at()].into_iter().flatten();
        both.reduce(Instant::min)
    }

    /// How the session was set up.
    pub const fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// What it has counted.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many probes await a reply: the length of the in-flight table.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The outcomes of the last slots.
    pub const fn loss_window(&self) -> &LossWindow {
        self.outcomes.window()
    }

    /// How many slots of the loss window the prober's own host missed. They are lost
    /// there too, but say nothing of the network or the peer.
    pub fn missed_in_window(&self) -> u32 {
        self.outcomes.missed()
    }

    /// The RTT's interarrival jitter (RFC 3550, section 6.4.1), in seconds.
    pub fn jitter_seconds(&self) -> f64 {
        self.jitter.seconds()
    }

    /// Whether there is a connection.
    pub const fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether a frame was written in part, or its outcome not yet told.
    pub const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }
}
