//! The state machine of one target.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_loss::{LossWindow, Outcome};
use tcp_echo_wire::{Control, FRAME_LEN, Features, Identity, Probe, Segments, Seq, UnixNanos};

use crate::{
    Cause, ConnectFailure, Counts, Direction, DisconnectReason, Episode, Event, MtuProbe,
    SegmentCounts, SessionConfig, Stamp, TcpInfo, Time, UnsentReason,
    adaptive::Adaptive,
    delays::{Delays, RoundTrip},
    detector::Detector,
    direction::Directions,
    evidence::{Ground, Reading},
    expired::Expired,
    hello::Hello,
    in_flight::InFlight,
    jitter::Jitter,
    link::{Link, Request},
    outcomes::Outcomes,
    peer::Peer,
    schedule::Schedule,
    span::Span,
    trouble::{Lost, Pace},
};

/// A slot may be sent late by its interval, or, for short intervals, by [`BURST`] intervals
/// within these bounds. After a hiccup of the host a short burst is still a measurement; a long
/// one would measure itself.
const MIN_TOLERANCE: Duration = Duration::from_millis(1);
const MAX_BURST: Duration = Duration::from_millis(5);
const BURST: u32 = 5;

/// The peer is asked for its segments at every fifth reading of `TCP_INFO`.
const READINGS_PER_REQUEST: u8 = 5;

/// For how long a peer that has departed may be away. Then its slots count again.
const DEPARTURE: Duration = Duration::from_secs(120);

/// The probing session of one target; see the [crate's overview](crate).
///
/// It outlives connections: sequence numbers, schedule, loss window and counts continue.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    schedule: Schedule,
    /// Set during the first attempt to connect, and while the peer is departed: when the schedule
    /// begins at the latest.
    begins_by: Option<Instant>,
    /// Whether it is the peer's departure that the schedule waits for the end of.
    is_departed: bool,
    link: Option<Link>,
    /// The reason of unsent slots without a connection.
    missing: UnsentReason,
    writing: Option<Writing>,
    next: Seq,
    in_flight: InFlight,
    /// Seldom there, so it is in a box.
    adaptive: Option<Box<Adaptive>>,
    expired: Expired,
    outcomes: Outcomes,
    jitter: Jitter,
    counts: Counts,
    /// The stall limit in force.
    stall: Span,
    /// Retransmissions on earlier connections.
    past_retransmits: u64,
    hello: Hello,
    /// `None` before the first counts.
    directions: Option<Box<Directions>>,
    /// `None` before the first peer that stamps.
    delays: Option<Box<Delays>>,
    /// `None` before the first peer that says who it is.
    peer: Option<Box<Peer>>,
    detector: Detector,
    /// The episode of a path that drops large packets, while it lasts.
    large: Option<Box<Episode>>,
    /// Further events of an input that has already returned one. `None` without any.
    #[expect(clippy::box_collection, reason = "seldom there, and then for a moment")]
    pending_events: Option<Box<VecDeque<Event>>>,
}

/// The frame that is being written.
#[derive(Clone, Copy, Debug)]
struct Writing {
    time: Time,
    due: Instant,
}

/// The next action of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Pass the event on, and poll again.
    Event(Event),
    /// A slot is due: write the frame, report the result, and poll again.
    Transmit(Transmit),
    /// Write this control frame, and poll again. If the kernel takes nothing of it, it can be
    /// left out.
    Request([u8; FRAME_LEN]),
    /// Close the connection, call [`Session::handle_disconnected`] with this reason, and reconnect:
    /// [`DisconnectReason::Stalled`] if no reply has come for longer than the stall limit,
    /// [`DisconnectReason::Closed`] if the peer has departed and nothing is in flight.
    Close(DisconnectReason),
    /// Nothing is due before this time. Handle inputs until then.
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
    /// A session with slots at `origin` and every interval from there.
    ///
    /// The schedule begins with the outcome of the first attempt
    /// ([`handle_connected`](Self::handle_connected) or
    /// [`handle_connect_failed`](Self::handle_connect_failed)), with
    /// [`handle_out_of_resources`](Self::handle_out_of_resources), and at the latest
    /// one timeout after `origin`: the time of the first handshake is no loss.
    pub fn new(config: &SessionConfig, origin: Instant) -> Self {
        Self {
            schedule: Schedule::new(origin, config.interval()),
            begins_by: Some(origin + config.timeout()),
            is_departed: false,
            link: None,
            missing: UnsentReason::Disconnected,
            writing: None,
            next: Seq::FIRST,
            in_flight: InFlight::new(),
            adaptive: config.adaptive().map(Box::new),
            expired: Expired::default(),
            outcomes: Outcomes::new(config.window()),
            jitter: Jitter::default(),
            counts: Counts::default(),
            stall: Span::new(config.stall()),
            past_retransmits: 0,
            hello: Hello::new(Features::NONE),
            directions: None,
            delays: None,
            peer: None,
            detector: Detector::new(),
            large: None,
            pending_events: None,
            config: config.clone(),
        }
    }

    /// Begins each connection with a hello that asks for these features.
    ///
    /// If the peer closes such connections, the session does without for a while.
    #[must_use]
    pub fn with_hello(mut self, features: Features) -> Self {
        self.hello = Hello::new(features);
        self
    }

    /// A connection was made. It replaces any other.
    pub fn handle_connected(
        &mut self,
        at: Instant,
        address: SocketAddr,
        handshake: Duration,
    ) -> Event {
        self.drop_link(None);
        self.missing = UnsentReason::Disconnected;
        let has_hello = self.hello.on_connected(at).is_some();
        // A service manager may hold the peer's port while no process serves it: a peer that has
        // departed is back when it answers.
        if !(self.is_departed && has_hello) {
            self.begin(at);
        }
        self.link = Some(Link::new(self.next, has_hello));
        if let Some(directions) = &mut self.directions {
            directions.on_connected();
        }
        self.detector.on_connected();
        Event::Connected { address, handshake }
    }

    /// An attempt to connect failed.
    pub fn handle_connect_failed(&mut self, at: Instant, reason: ConnectFailure) -> Event {
        self.begin_unless_departed(at);
        self.missing = UnsentReason::Disconnected;
        self.detector.on_connect_failed(reason);
        Event::ConnectFailed { reason }
    }

    /// No connection can be attempted for want of a file descriptor or memory. Until the
    /// outcome of the next attempt, slots without a connection are
    /// [`UnsentReason::Resources`].
    pub fn handle_out_of_resources(&mut self, at: Instant) {
        self.begin_unless_departed(at);
        self.missing = UnsentReason::Resources;
    }

    /// The connection has ended. Its probes stay in flight until their timeouts; a partly
    /// written frame is an unsent slot.
    pub fn handle_disconnected(&mut self, reason: DisconnectReason) -> Event {
        self.detector.on_disconnected(reason);
        self.drop_link(Some(reason));
        Event::Disconnected { reason }
    }

    /// The kernel has taken the whole frame. Returns [`Event::Sent`], or `None` if no frame
    /// was being written. `at` is the time of the frame's stamp, or that of the last part if
    /// it was written in parts.
    #[inline]
    pub fn handle_transmitted(&mut self, at: Instant) -> Option<Event> {
        let writing = self.writing.take()?;
        let seq = self.next;
        self.next = seq.next();
        self.in_flight.push(writing.time);
        self.counts.sent += 1;
        if let Some(link) = &mut self.link {
            link.sent(writing.time.at);
        }
        Some(Event::Sent {
            seq,
            lateness: at.saturating_duration_since(writing.due),
        })
    }

    /// The kernel has taken nothing of the frame: its send buffer is full. Returns
    /// [`Event::Unsent`], or `None` if no frame was being written.
    pub fn handle_blocked(&mut self) -> Option<Event> {
        let writing = self.writing.take()?;
        Some(self.unsent(UnsentReason::Backpressure, 1, writing.due))
    }

    /// A frame has arrived. Returns [`Event::Received`], [`Event::Late`],
    /// [`Event::Unexpected`], or [`Event::TimedOut`] if the timeout has passed but was not
    /// counted yet (`Late` follows at the next poll). A control frame returns
    /// [`Event::Greeted`], [`Event::PeerSegments`] or [`Event::Departed`], and `None` if it is an
    /// echo of the session's own.
    #[inline]
    pub fn handle_reply(&mut self, stamp: Stamp, reply: Probe) -> Option<Event> {
        if reply.seq.is_control()
            && let Some(link) = self.link.as_mut().filter(|link| link.has_hello)
        {
            let is_first = !std::mem::replace(&mut link.has_answered, true);
            if self.is_departed && is_first {
                self.begin(stamp.read.at);
            }
            return self.handle_control(stamp.read.at, reply.control()?);
        }
        Some(self.handle_echo(stamp, reply))
    }

    /// A frame of a probe has arrived.
    #[inline]
    fn handle_echo(&mut self, stamp: Stamp, reply: Probe) -> Event {
        let seq = reply.seq;
        let Some(link) = self.link.as_mut().filter(|link| link.carried(seq)) else {
            self.counts.unexpected += 1;
            return Event::Unexpected;
        };
        let is_stamped = link.granted.contains(Features::STAMPS);
        if let Some(sent) = self.in_flight.answer(reply, is_stamped) {
            link.has_answered = true;
            link.received(stamp.read.at);
            let rtt = stamp.since(sent);
            if rtt.rtt <= self.timeout() {
                if is_stamped && let Some(delays) = &mut self.delays {
                    delays.record(RoundTrip {
                        sent: sent.at,
                        rtt: rtt.rtt,
                        host_delay: rtt.host_delay.unwrap_or_default(),
                        peer: reply.sent.into(),
                    });
                }
                self.counts.received += 1;
                self.outcomes.record(Outcome::Received);
                self.jitter.record(rtt.rtt);
                if let Some(adaptive) = &mut self.adaptive {
                    adaptive.received(rtt.rtt);
                }
                if !self.detector.is_usual(rtt.rtt) {
                    self.judge_answer(sent.at, rtt.rtt);
                }
                return Event::Received {
                    seq,
                    rtt: rtt.rtt,
                    host_delay: rtt.host_delay,
                };
            }
            self.counts.late += 1;
            self.push_event(Event::Late { seq });
            let event = self.timed_out(seq, sent.at);
            self.judge_late(stamp.read, sent.wall, is_stamped.then_some(reply));
            return event;
        }
        if let Some(sent) = self.expired.answer(reply, is_stamped) {
            link.has_answered = true;
            link.answered(stamp.read.at);
            self.counts.late += 1;
            self.judge_late(stamp.read, sent, is_stamped.then_some(reply));
            return Event::Late { seq };
        }
        self.counts.unexpected += 1;
        Event::Unexpected
    }

    /// The frames of one read have been passed to [`handle_reply`](Self::handle_reply). The parts
    /// of their round trips follow at the next polls.
    #[inline]
    pub fn handle_read_end(&mut self) {
        if let Some(delays) = &mut self.delays {
            delays.end_read();
        }
    }

    /// A control frame has arrived, on a connection that began with a hello.
    #[cold]
    fn handle_control(&mut self, at: Instant, control: Control) -> Option<Event> {
        let link = self.link.as_mut()?;
        match control {
            Control::HelloAnswer(features) => {
                let features = features.intersection(self.hello.features());
                link.granted = features;
                if features.contains(Features::STAMPS) {
                    self.delays.get_or_insert_with(|| Box::new(Delays::new(at)));
                }
                if features.contains(Features::IDENTITY) {
                    self.peer
                        .get_or_insert_with(|| Box::new(Peer::new()))
                        .on_greeted();
                    self.ask_for_identity();
                } else if let Some(peer) = &mut self.peer {
                    peer.said(Identity::UNKNOWN);
                    self.change_identity(at);
                }
                Some(Event::Greeted { features })
            }
            Control::SegmentsAnswer(segments) if link.granted.contains(Features::SEGMENTS) => {
                self.record_segments(at, Direction::Reverse, segments);
                Some(Event::PeerSegments)
            }
            Control::IdentityAnswer(n, part) if link.granted.contains(Features::IDENTITY) => {
                if let Some(peer) = &mut self.peer {
                    peer.read(n, part);
                    self.ask_for_identity();
                    self.change_identity(at);
                }
                None
            }
            Control::Departure
                if link.granted.contains(Features::DEPARTURE) && !self.is_departed =>
            {
                link.is_departing = true;
                self.is_departed = true;
                self.begins_by = Some(at + DEPARTURE);
                Some(Event::Departed)
            }
            // A peer that echoes.
            _ => None,
        }
    }

    /// Asks for the next part of what the peer says it is, unless another request waits.
    fn ask_for_identity(&mut self) {
        if let (Some(link), Some(peer)) = (&mut self.link, &self.peer)
            && link.granted.contains(Features::IDENTITY)
        {
            let next = peer.next_part().map(Request::Identity);
            link.request = link.request.or(next);
        }
    }

    /// The peer becomes known by what it has said, unless that is too soon.
    fn change_identity(&mut self, at: Instant) {
        if let Some(identity) = self.peer.as_mut().and_then(|peer| peer.change(at)) {
            self.push_event(Event::PeerIdentity(identity));
        }
    }

    fn record_segments(&mut self, at: Instant, direction: Direction, segments: Segments) {
        let directions = self
            .directions
            .get_or_insert_with(|| Box::new(Directions::new(at)));
        directions.record(at, direction, segments);
    }

    /// The socket had a soft error: TCP goes on, though a router said that the peer is
    /// unreachable.
    pub const fn handle_soft_error(&mut self) -> Event {
        Event::SoftError
    }

    /// A connection of its own has told whether the path passes large packets. An episode begins or
    /// ends with that.
    pub fn handle_mtu_probe(&mut self, at: Instant, probe: MtuProbe) -> Event {
        match probe {
            MtuProbe::Passes { .. } => self.end_large(at),
            // Another fault tells more than this one.
            MtuProbe::Drops { .. } if self.large.is_some() || self.detector.is_in_episode() => {}
            MtuProbe::Drops { .. } => {
                let episode = Episode {
                    began: at,
                    ended: None,
                    cause: Cause::Mtu,
                    slots_lost: 0,
                };
                self.large = Some(Box::new(episode));
                self.push_event(Event::Episode(episode));
            }
        }
        Event::MtuProbe(probe)
    }

    /// Ends the episode of large packets, if there is one.
    fn end_large(&mut self, at: Instant) {
        if let Some(mut episode) = self.large.take() {
            episode.ended = Some(at.max(episode.began));
            self.push_event(Event::Episode(*episode));
        }
    }

    /// `TCP_INFO` of the current connection was read. `info.retransmits` and `info.segments`
    /// count this connection; the event's retransmissions and [`segments`](Self::segments) count
    /// all.
    pub fn handle_tcp_info(&mut self, at: Instant, info: TcpInfo) -> Event {
        if let Some(link) = &mut self.link {
            link.retransmits = link.retransmits.max(info.retransmits);
            if link.granted.contains(Features::SEGMENTS) {
                if link.asks_after == 0 {
                    link.asks_after = READINGS_PER_REQUEST;
                    link.request = Some(Request::Segments);
                }
                link.asks_after -= 1;
            }
            if let Some(segments) = info.segments {
                self.record_segments(at, Direction::Forward, segments);
            }
        }
        // If the last request could not be written.
        self.ask_for_identity();
        self.change_identity(at);
        if self.detector.is_watching() {
            self.judge_tcp_info(at, &info);
        }
        Event::TcpInfo(TcpInfo {
            retransmits: self.retransmits(),
            ..info
        })
    }

    /// Returns the next action. Polling is idempotent once it returns [`Output::Wait`].
    #[inline]
    pub fn poll(&mut self, now: Time) -> Output {
        self.poll_read_until(now, now.at)
    }

    /// As [`poll`](Self::poll), for a driver that has read only what had arrived by `read`:
    /// no later timeout or stall is returned. The time of [`Output::Wait`] may have passed
    /// already.
    #[inline]
    pub fn poll_read_until(&mut self, now: Time, read: Instant) -> Output {
        if let Some(events) = &mut self.pending_events {
            if let Some(event) = events.pop_front() {
                return Output::Event(event);
            }
            self.pending_events = None;
        }
        if let Some(excess) = self.delays.as_mut().and_then(|delays| delays.next()) {
            self.detector.parts(&excess);
            return Output::Event(Event::Excess(excess));
        }
        let judged = read.min(now.at);
        if let Some((seq, sent)) = self.in_flight.expire(judged, self.timeout()) {
            if let Some(link) = self.link.as_mut().filter(|link| link.carried(seq)) {
                link.timed_out();
                self.expired.push(seq, sent.wall);
            }
            return Output::Event(self.timed_out(seq, sent.at));
        }
        let stalls_at = self.stalls_at();
        if stalls_at.is_some_and(|at| at <= judged) {
            return Output::Close(DisconnectReason::Stalled);
        }
        if self.link.is_some_and(|link| link.is_departing)
            && self.in_flight.len() == 0
            && self.writing.is_none()
        {
            return Output::Close(DisconnectReason::Closed);
        }
        if self.begins_by.is_some_and(|by| by <= now.at) {
            self.begin(now.at);
        }
        if self.begins_by.is_none() && self.schedule.due() <= now.at {
            return self.take_slots(now);
        }
        if self.link.is_some_and(|link| link.request.is_some())
            && let Some(request) = self.take_request()
        {
            return request;
        }
        let slot = self.begins_by.unwrap_or(self.schedule.due());
        let deadline = self.in_flight.deadline(self.timeout());
        let others = [deadline, stalls_at].into_iter().flatten();
        Output::Wait(others.fold(slot, Instant::min))
    }

    /// Renews the stamp of the frame before any of it is written, for a driver that did
    /// anything between reading the clocks and the write. Returns the frame to write, or
    /// `None` if none is being written.
    pub fn restamp(&mut self, now: Time) -> Option<Transmit> {
        let writing = self.writing.as_mut()?;
        writing.time = now;
        Some(Transmit::new(self.next, now, writing.due))
    }

    /// Takes the control frame to write, if there is one and no other frame is half written.
    #[cold]
    fn take_request(&mut self) -> Option<Output> {
        if self.writing.is_some() {
            return None;
        }
        let control = match self.link.as_mut()?.request.take()? {
            Request::Hello => Control::HelloRequest(self.hello.features()),
            Request::Segments => Control::SegmentsRequest,
            Request::Identity(n) => Control::IdentityRequest(n),
        };
        Some(Output::Request(control.encode()))
    }

    /// Takes due slots: all that can't be sent for one reason, or one to send.
    #[inline]
    fn take_slots(&mut self, now: Time) -> Output {
        let reason = match (&self.link, &self.writing) {
            (None, _) => Some(self.missing),
            (Some(_), Some(_)) => Some(UnsentReason::Backpressure),
            (Some(_), None) => None,
        };
        if let Some(reason) = reason {
            let (slots, due) = (self.schedule.pending(now.at), self.schedule.due());
            self.begin_slots(slots);
            return Output::Event(self.unsent(reason, slots, due));
        }
        let interval = self.config.interval();
        let burst = interval.saturating_mul(BURST);
        let tolerance = interval.max(burst.clamp(MIN_TOLERANCE, MAX_BURST));
        let passed = now
            .at
            .checked_sub(tolerance)
            .map_or(0, |at| self.schedule.pending(at));
        if passed > 0 {
            let due = self.schedule.due();
            self.begin_slots(passed);
            return Output::Event(self.unsent(UnsentReason::Overrun, passed, due));
        }
        if let Some(Link {
            request: Some(Request::Hello),
            ..
        }) = self.link
            && let Some(request) = self.take_request()
        {
            return request;
        }
        let transmit = Transmit::new(self.next, now, self.schedule.due());
        self.begin_slots(1);
        self.writing = Some(Writing {
            time: transmit.time,
            due: transmit.due,
        });
        Output::Transmit(transmit)
    }

    fn push_event(&mut self, event: Event) {
        let events = self.pending_events.get_or_insert_default();
        events.push_back(event);
    }

    fn begin_slots(&mut self, slots: u64) {
        self.schedule.advance(slots);
        self.counts.slots += slots;
    }

    /// Slots passed unsent, the first of which was due at `due`.
    fn unsent(&mut self, reason: UnsentReason, slots: u64, due: Instant) -> Event {
        self.counts.unsent[reason as usize] += slots;
        self.outcomes.record_unsent(reason, slots);
        let ground = match reason {
            UnsentReason::Disconnected => self.detector.missing(),
            UnsentReason::Backpressure => Some(Ground::Silent),
            UnsentReason::Overrun | UnsentReason::Resources => Some(Ground::OwnHost),
        };
        self.judge_lost(due, slots, ground, 0);
        Event::Unsent { reason, slots }
    }

    /// The probe that was sent at `sent` had no reply in time.
    fn timed_out(&mut self, seq: Seq, sent: Instant) -> Event {
        self.counts.timeouts += 1;
        self.outcomes.record(Outcome::Lost);
        let is_current = self.link.is_some_and(|link| link.carried(seq));
        let ground = if is_current {
            Some(Ground::Silent)
        } else {
            self.detector.ended()
        };
        let answered_after = self.in_flight.answered_after(seq);
        let due = self.schedule.slot_at(sent);
        self.judge_lost(due, 1, ground, answered_after);
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.timed_out(seq, self.next);
        }
        Event::TimedOut { seq }
    }

    fn pace(&self) -> Pace {
        Pace {
            interval: self.config.interval(),
            timeout: self.timeout(),
        }
    }

    /// Tells the detector of lost slots, unless the prober has closed the connection itself.
    #[cold]
    fn judge_lost(
        &mut self,
        due: Instant,
        slots: u64,
        ground: Option<Ground>,
        answered_after: u64,
    ) {
        let pace = self.pace();
        let lost = ground.map(|ground| Lost {
            due,
            slots,
            ground,
            answered_after,
        });
        let episode = lost.and_then(|lost| self.detector.lost(lost, pace));
        self.push_episode(episode);
    }

    /// Tells the detector of a reply that is not as usual, or comes after something that was not.
    #[cold]
    fn judge_answer(&mut self, sent: Instant, rtt: Duration) {
        let (due, pace) = (self.schedule.slot_at(sent), self.pace());
        let episode = self.detector.answered(due, rtt, pace);
        self.push_episode(episode);
    }

    /// Tells the detector of a reply after its timeout, with its stamp if it has one.
    #[cold]
    fn judge_late(&mut self, read: Time, sent: UnixNanos, stamped: Option<Probe>) {
        // The clocks have not been set meanwhile, as a rule.
        let passed = read.wall.0.saturating_sub(sent.0).max(0);
        let rtt = Duration::from_nanos(passed.unsigned_abs());
        let sent = read.at.checked_sub(rtt);
        let delayed = self
            .delays
            .as_ref()
            .zip(stamped)
            .and_then(|(delays, reply)| delays.judge_late(sent?, rtt, reply.sent.into()));
        let episode = self.detector.late(read.at, sent, delayed);
        self.push_episode(episode);
    }

    #[cold]
    fn judge_tcp_info(&mut self, at: Instant, info: &TcpInfo) {
        let pace = self.pace();
        let lost = Direction::ALL.map(|direction| self.segments(direction).lost);
        let reading = Reading {
            at,
            silent_since: self.link.and_then(|link| link.silent_since()),
            least: pace.timeout.min(Duration::from_secs(1)),
            lost: if info.segments.is_some() {
                lost.iter().sum()
            } else {
                self.retransmits()
            },
        };
        let episode = self.detector.read(info, reading, pace);
        self.push_episode(episode);
    }

    fn push_episode(&mut self, episode: Option<Episode>) {
        if let Some(episode) = episode {
            // One at a time. If it goes on, the next check begins another one.
            self.end_large(episode.began);
            self.push_event(Event::Episode(episode));
        }
    }

    /// Whether nothing comes back, and a reading of `TCP_INFO` now would tell why. Asks a few times
    /// an episode.
    pub fn asks_for_tcp_info(&mut self) -> bool {
        self.detector.asks_for_reading()
    }

    /// Begins the schedule, unless it has begun. A departure has ended.
    fn begin(&mut self, at: Instant) {
        if self.begins_by.take().is_some() {
            self.schedule.begin(at);
        }
        self.is_departed = false;
    }

    /// An attempt to connect has ended without a connection.
    fn begin_unless_departed(&mut self, at: Instant) {
        if !self.is_departed {
            self.begin(at);
        }
    }

    /// Forgets the connection. `reason` is `None` if it is replaced.
    fn drop_link(&mut self, reason: Option<DisconnectReason>) {
        if let Some(link) = self.link.take() {
            let by_peer = matches!(
                reason,
                Some(DisconnectReason::Eof | DisconnectReason::Reset)
            );
            if link.has_hello {
                self.hello.on_ended_after_hello(link.has_answered, by_peer);
            } else {
                self.hello.on_plain_ended(link.has_answered);
            }
            self.past_retransmits += link.retransmits;
            self.expired.clear();
        }
        if let Some(writing) = self.writing.take() {
            let unsent = self.unsent(UnsentReason::Disconnected, 1, writing.due);
            self.push_event(unsent);
        }
    }

    fn stalls_at(&self) -> Option<Instant> {
        self.link.as_ref()?.stalls_at(self.stall.get())
    }

    fn retransmits(&self) -> u64 {
        self.past_retransmits + self.link.map_or(0, |link| link.retransmits)
    }

    /// The data segments of one direction, over all connections: forward by this kernel's
    /// `TCP_INFO`, reverse by what the peer tells. 0 where neither is known.
    pub fn segments(&self, direction: Direction) -> SegmentCounts {
        let counts = self.directions.as_ref().map(|both| both.counts(direction));
        counts.unwrap_or_default()
    }

    /// The data segments of one direction in the last minute. More can be lost than sent: a loss
    /// is known some time after the segment was sent.
    pub fn recent_segments(&self, direction: Direction) -> SegmentCounts {
        let counts = self.directions.as_ref().map(|both| both.recent(direction));
        counts.unwrap_or_default()
    }

    /// The part of the data segments of the last minute that was lost on the way, 0 to 1.
    pub fn packet_loss_ratio(&self, direction: Direction) -> f64 {
        let ratio = self
            .directions
            .as_ref()
            .map(|both| both.loss_ratio(direction));
        ratio.unwrap_or_default()
    }

    /// What the peer of the current connection has granted.
    pub fn features(&self) -> Features {
        self.link
            .as_ref()
            .map_or(Features::NONE, |link| link.granted)
    }

    /// When the oldest probe in flight times out or the connection stalls, whichever is
    /// sooner. At or after this time a driver reads what has arrived before it polls, or
    /// polls with [`poll_read_until`](Self::poll_read_until).
    pub fn next_deadline(&self) -> Option<Instant> {
        let timeout = self.in_flight.deadline(self.timeout());
        let both = [timeout, self.stalls_at()].into_iter().flatten();
        both.reduce(Instant::min)
    }

    /// The timeout of the probes in flight.
    #[inline]
    fn timeout(&self) -> Duration {
        match &self.adaptive {
            None => self.config.timeout(),
            Some(adaptive) => adaptive.timeout(),
        }
    }

    /// The timeout now, if it is adaptive.
    #[inline]
    pub fn adaptive_timeout(&self) -> Option<Duration> {
        self.adaptive.as_ref().map(|adaptive| adaptive.timeout())
    }

    /// The configuration.
    pub const fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// The counts so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number of probes in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The outcomes of the last slots.
    pub const fn loss_window(&self) -> &LossWindow {
        self.outcomes.window()
    }

    /// How many slots of the loss window were missed by the prober's own host. They count as
    /// lost, but are no failure of the network or the peer.
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

    /// Who the peer is, if it has said so.
    pub fn peer_identity(&self) -> Option<&Arc<Identity>> {
        let identity = self.peer.as_ref().map(|peer| peer.identity());
        identity.filter(|identity| !identity.is_unknown())
    }

    /// Whether the peer has departed: it has said that it stops, and has not answered since. No slot
    /// is due meanwhile. After two minutes it counts as any other that does not answer.
    pub const fn is_departed(&self) -> bool {
        self.is_departed
    }

    /// Whether a frame is being written: partly written, or its result not reported yet.
    pub const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }
}
