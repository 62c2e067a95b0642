//! The totals of one target, or of one of its flows.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use tcp_echo_prober::{
    ConnectFailure, Direction, DisconnectReason, Event, Features, SegmentCounts, Seq, Session,
    SessionConfig, UnsentReason,
};

use super::excess::{ExcessDelays, Figures, Part};
use super::fault;
use super::rtts::Rtts;

/// The totals of one target, or of one of its flows.
#[derive(Clone, Debug)]
pub(super) struct TargetTotals {
    /// The number of slots to count.
    limit: u64,
    /// No more events will come.
    is_abandoned: bool,
    /// The last probe counted so far.
    last: Seq,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) timeouts: u64,
    pub(super) late: u64,
    pub(super) unexpected: u64,
    unsent: [u64; UnsentReason::ALL.len()],
    pub(super) connects: u64,
    failures: [u64; ConnectFailure::ALL.len()],
    disconnects: [u64; DisconnectReason::ALL.len()],
    /// The address of the last connection.
    pub(super) peer: Option<SocketAddr>,
    pub(super) rtts: Rtts,
    pub(super) jitter_seconds: f64,
    pub(super) retransmits: Option<u64>,
    /// The data segments of each direction, as far as they are known.
    segments: [Option<SegmentCounts>; Direction::ALL.len()],
    /// `None` before the first peer that stamps.
    excess: Option<Box<ExcessDelays>>,
    pub(super) soft_errors: u64,
    timeout: Duration,
}

impl TargetTotals {
    /// Counts up to `limit` slots of a target of such sessions.
    pub(super) fn new(session: &SessionConfig, limit: u64) -> Self {
        Self {
            limit,
            is_abandoned: false,
            last: Seq(0),
            sent: 0,
            received: 0,
            timeouts: 0,
            late: 0,
            unexpected: 0,
            unsent: [0; UnsentReason::ALL.len()],
            connects: 0,
            failures: [0; ConnectFailure::ALL.len()],
            disconnects: [0; DisconnectReason::ALL.len()],
            peer: None,
            rtts: Rtts::new(session.max_timeout()),
            jitter_seconds: 0.0,
            retransmits: None,
            segments: [None; Direction::ALL.len()],
            excess: None,
            soft_errors: 0,
            timeout: session.max_timeout(),
        }
    }

    /// Counts an event. Returns the number of slots counted, or `None` if the event is ignored
    /// or has no line. `session` is the target's session right after it.
    pub(super) fn count(&mut self, event: &Event, session: &Session) -> Option<u64> {
        if let (Event::Received { seq, .. }, Some(excess)) = (event, &mut self.excess) {
            excess.on_received(*seq <= self.last);
        }
        match *event {
            Event::Sent { seq, .. } if self.is_open() => {
                self.last = seq;
                self.sent += 1;
                return Some(1);
            }
            Event::Unsent { reason, slots } if self.is_open() => {
                let slots = slots.min(self.limit - self.slots());
                self.unsent[reason as usize] += slots;
                return Some(slots);
            }
            Event::Received {
                seq,
                rtt,
                host_delay,
            } if seq <= self.last => {
                self.received += 1;
                self.rtts.record(rtt, host_delay);
                self.jitter_seconds = session.jitter_seconds();
            }
            Event::TimedOut { seq } if seq <= self.last => self.timeouts += 1,
            Event::Late { seq } if seq <= self.last => self.late += 1,
            Event::Unexpected if !self.is_complete() => self.unexpected += 1,
            Event::Connected { address, .. } if !self.is_complete() => {
                self.connects += 1;
                self.peer = Some(address);
            }
            Event::ConnectFailed { reason } if !self.is_complete() => {
                self.failures[reason as usize] += 1;
            }
            Event::Disconnected { reason } if !self.is_complete() => {
                self.disconnects[reason as usize] += 1;
            }
            Event::SoftError if !self.is_complete() => self.soft_errors += 1,
            // It has a line.
            Event::MtuProbe(_) if !self.is_complete() => {}
            _ => {
                self.measure(event, session);
                return None;
            }
        }
        Some(0)
    }

    /// Records what an event tells about segments and delays.
    #[inline]
    fn measure(&mut self, event: &Event, session: &Session) {
        match event {
            Event::Excess(parts) => {
                if let Some(excess) = &mut self.excess {
                    excess.record(parts);
                }
            }
            // The last of them comes when the connection is closed at the end.
            Event::TcpInfo(info) => {
                self.retransmits = Some(info.retransmits);
                if info.segments.is_some() {
                    self.read_segments(Direction::Forward, session);
                }
            }
            Event::PeerSegments => self.read_segments(Direction::Reverse, session),
            // The memory is there before the first reply.
            Event::Greeted { features } if features.contains(Features::STAMPS) => {
                let timeout = self.timeout;
                self.excess
                    .get_or_insert_with(|| Box::new(ExcessDelays::new(timeout)));
            }
            _ => {}
        }
    }

    fn read_segments(&mut self, direction: Direction, session: &Session) {
        self.segments[direction as usize] = Some(session.segments(direction));
    }

    /// The totals of these flows of one target together; `None` without any. The peer is that of the
    /// first one that has one, and the jitter is the mean of those with replies.
    pub(super) fn sum(flows: impl IntoIterator<Item = impl Deref<Target = Self>>) -> Option<Self> {
        let mut flows = flows.into_iter();
        let mut sum = flows.next()?.clone();
        let mut replied = f64::from(u8::from(!sum.rtts.is_empty()));
        for flow in flows {
            if !flow.rtts.is_empty() {
                replied += 1.0;
            }
            sum.add(&flow);
        }
        sum.jitter_seconds /= f64::max(replied, 1.0);
        Some(sum)
    }

    fn add(&mut self, flow: &Self) {
        self.limit = self.limit.saturating_add(flow.limit);
        self.is_abandoned &= flow.is_abandoned;
        self.sent += flow.sent;
        self.received += flow.received;
        self.timeouts += flow.timeouts;
        self.late += flow.late;
        self.unexpected += flow.unexpected;
        add_all(&mut self.unsent, &flow.unsent);
        self.connects += flow.connects;
        add_all(&mut self.failures, &flow.failures);
        add_all(&mut self.disconnects, &flow.disconnects);
        self.peer = self.peer.or(flow.peer);
        self.rtts.add(&flow.rtts);
        self.jitter_seconds += flow.jitter_seconds;
        self.retransmits = sum(self.retransmits, flow.retransmits, |one, other| one + other);
        for (segments, own) in self.segments.iter_mut().zip(flow.segments) {
            *segments = sum(*segments, own, |one, other| SegmentCounts {
                sent: one.sent + other.sent,
                lost: one.lost + other.lost,
            });
        }
        match (&mut self.excess, &flow.excess) {
            (Some(excess), Some(own)) => excess.add(own),
            (excess @ None, own) => excess.clone_from(own),
            (Some(_), None) => {}
        }
        self.soft_errors += flow.soft_errors;
    }

    /// Stops counting slots.
    pub(super) fn close(&mut self) {
        self.limit = self.slots();
    }

    /// Stops counting slots; no outcomes of those in flight will come.
    pub(super) fn abandon(&mut self) {
        self.close();
        self.is_abandoned = true;
    }

    /// The slots counted: those with an outcome and those in flight.
    pub(super) fn slots(&self) -> u64 {
        self.sent + self.unsent_total()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.sent - self.received - self.timeouts
    }

    /// Whether all slots are counted and have their outcomes, as far as those will come.
    pub(super) fn is_complete(&self) -> bool {
        !self.is_open() && (self.is_abandoned || self.in_flight() == 0)
    }

    fn is_open(&self) -> bool {
        self.slots() < self.limit
    }

    pub(super) fn unsent(&self, reason: UnsentReason) -> u64 {
        self.unsent[reason as usize]
    }

    pub(super) fn unsent_total(&self) -> u64 {
        self.unsent.iter().sum()
    }

    /// Slots that this host missed: neither the network nor the peer lost them.
    pub(super) fn missed(&self) -> u64 {
        let reasons = UnsentReason::ALL.iter().copied();
        let missed = reasons.filter(|reason| reason.is_own_host());
        missed.map(|reason| self.unsent(reason)).sum()
    }

    pub(super) fn failures(&self, reason: ConnectFailure) -> u64 {
        self.failures[reason as usize]
    }

    pub(super) fn disconnects(&self, reason: DisconnectReason) -> u64 {
        self.disconnects[reason as usize]
    }

    /// The data segments of one direction; `None` if they are not known.
    pub(super) fn segments(&self, direction: Direction) -> Option<SegmentCounts> {
        self.segments[direction as usize]
    }

    /// The direction that clearly loses most packets.
    pub(super) fn most_packet_loss(&self) -> Option<Direction> {
        let [forward, reverse] = self.segments;
        // On a dead connection both may lose, but only this host's losses are known.
        if self.disconnects(DisconnectReason::Stalled) > 0 {
            return None;
        }
        fault::direction(forward?, reverse?)
    }

    /// The delay above its minimum by part, if a peer has stamped replies.
    pub(super) fn excess(&self) -> Option<[Figures; Part::ALL.len()]> {
        self.excess.as_ref()?.figures()
    }

    /// The part that clearly delays probes most.
    pub(super) fn most_excess_delay(&self) -> Option<Part> {
        let excess = self.excess.as_ref()?;
        let median = self.rtts.quantile(0.5);
        fault::part(&excess.figures()?, excess.count(), median)
    }

    pub(super) fn lost(&self) -> u64 {
        self.timeouts + self.unsent_total()
    }

    /// The ratio of lost slots to those with an outcome. Without any outcome it is 1 for a
    /// target that was never reached.
    pub(super) fn loss_ratio(&self) -> f64 {
        let outcomes = self.received + self.lost();
        match (outcomes, self.connects) {
            (0, 0) => 1.0,
            (0, _) => 0.0,
            _ => self.lost() as f64 / outcomes as f64,
        }
    }
}

fn add_all(sums: &mut [u64], counts: &[u64]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// The sum of what is known.
fn sum<T>(one: Option<T>, other: Option<T>, add: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(add(one, other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tcp_echo_prober::{Excess, TcpInfo};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> SessionConfig {
        SessionConfig::new(SECOND, SECOND).unwrap()
    }

    fn totals(limit: u64) -> TargetTotals {
        TargetTotals::new(&config(), limit)
    }

    fn sent(seq: u64) -> Event {
        Event::Sent {
            seq: Seq(seq),
            lateness: Duration::ZERO,
        }
    }

    fn received(seq: u64) -> Event {
        Event::Received {
            seq: Seq(seq),
            rtt: Duration::from_millis(1),
            host_delay: None,
        }
    }

    fn unsent(slots: u64) -> Event {
        Event::Unsent {
            reason: UnsentReason::Overrun,
            slots,
        }
    }

    /// Counts events one after the other.
    fn count(totals: &mut TargetTotals, events: &[Event]) -> Vec<Option<u64>> {
        let session = Session::new(&config(), Instant::now());
        events
            .iter()
            .map(|event| totals.count(event, &session))
            .collect()
    }

    #[test]
    fn events_beyond_the_last_slot_are_ignored() {
        let mut totals = totals(3);
        let late = Event::Late { seq: Seq(1) };
        let timed_out = Event::TimedOut { seq: Seq(2) };
        let counted = count(
            &mut totals,
            &[
                sent(1),
                sent(2),
                unsent(1),
                // The count is complete, with two probes in flight.
                sent(3),
                unsent(7),
                received(3),
                received(1),
                timed_out,
            ],
        );
        let (slot, none) = (Some(1), None);
        assert_eq!(
            counted,
            [slot, slot, slot, none, none, none, Some(0), Some(0)]
        );
        assert!(totals.is_complete());
        assert_eq!((totals.slots(), totals.sent, totals.lost()), (3, 2, 2));
        // A late reply is counted whenever it comes.
        assert_eq!(
            count(&mut totals, &[late, Event::Unexpected]),
            [Some(0), None]
        );
        assert_eq!((totals.late, totals.unexpected), (1, 0));
    }

    #[test]
    fn many_slots_at_once_are_counted_up_to_the_limit() {
        let mut totals = totals(5);
        assert_eq!(
            count(&mut totals, &[sent(1), unsent(9)]),
            [Some(1), Some(4)]
        );
        assert_eq!((totals.slots(), totals.in_flight()), (5, 1));
        assert!(!totals.is_complete());
    }

    #[test]
    fn closed_totals_are_complete_without_probes_in_flight() {
        let mut totals = totals(u64::MAX);
        let _ = count(&mut totals, &[sent(1), received(1), sent(2)]);
        totals.close();
        assert!(!totals.is_complete());
        assert_eq!(count(&mut totals, &[sent(3), received(2)]), [None, Some(0)]);
        assert!(totals.is_complete());
    }

    #[test]
    fn abandoned_totals_keep_probes_in_flight() {
        let mut totals = totals(10);
        let _ = count(&mut totals, &[sent(1)]);
        totals.abandon();
        assert!(totals.is_complete());
        assert_eq!(totals.in_flight(), 1);
    }

    #[test]
    fn loss_is_the_ratio_to_slots_with_an_outcome() {
        let mut totals = totals(10);
        // Never reached.
        assert!((totals.loss_ratio() - 1.0).abs() < f64::EPSILON);
        let connected = Event::Connected {
            address: ([127, 0, 0, 1], 4000).into(),
            handshake: Duration::ZERO,
        };
        let _ = count(&mut totals, &[connected, sent(1)]);
        assert!(totals.loss_ratio().abs() < f64::EPSILON);
        let _ = count(&mut totals, &[received(1), unsent(3)]);
        assert!((totals.loss_ratio() - 0.75).abs() < f64::EPSILON);
    }

    #[test]
    fn what_nobody_tells_is_not_known() {
        let mut totals = totals(u64::MAX);
        let excess = Event::Excess(Excess::default());
        let info = Event::TcpInfo(TcpInfo::default());
        let greeted = Event::Greeted {
            features: Features::SEGMENTS,
        };
        let events = [sent(1), received(1), greeted, info, excess];
        let _ = count(&mut totals, &events);
        assert_eq!(totals.segments, [None; 2]);
        assert_eq!(totals.excess(), None);
        assert_eq!(totals.retransmits, Some(0));

        let greeted = Event::Greeted {
            features: Features::STAMPS.union(Features::SEGMENTS),
        };
        let excess = Event::Excess(Excess {
            peer: SECOND,
            ..Excess::default()
        });
        let events = [
            greeted,
            sent(2),
            received(2),
            excess.clone(),
            Event::PeerSegments,
            Event::SoftError,
        ];
        let _ = count(&mut totals, &events);
        let none = SegmentCounts::default();
        assert_eq!(totals.segments, [None, Some(none)]);
        assert_eq!(totals.excess().unwrap().map(|part| part.max)[2], SECOND);
        assert_eq!(totals.most_excess_delay(), None);
        for seq in 3..=101 {
            let _ = count(&mut totals, &[sent(seq), received(seq), excess.clone()]);
        }
        assert_eq!(totals.most_excess_delay(), Some(Part::Peer));
        assert_eq!(totals.soft_errors, 1);
    }

    #[test]
    fn flows_together_have_what_each_of_them_has() {
        let reply = |millis| Event::Received {
            seq: Seq(1),
            rtt: Duration::from_millis(millis),
            host_delay: None,
        };
        let mut flows = [totals(5), totals(5), totals(5)];
        let _ = count(&mut flows[0], &[sent(1), reply(1), sent(2)]);
        let _ = count(&mut flows[1], &[sent(1), reply(9), unsent(3)]);
        flows[0].jitter_seconds = 0.5;
        flows[1].jitter_seconds = 1.5;
        flows[1].retransmits = Some(7);
        let segments = Some(SegmentCounts { sent: 10, lost: 1 });
        flows[0].segments[0] = segments;
        flows[2].segments[0] = segments;
        let sum = TargetTotals::sum(&flows).unwrap();
        assert_eq!((sum.sent, sum.received, sum.in_flight()), (3, 2, 1));
        assert_eq!((sum.slots(), sum.lost(), sum.limit), (6, 3, 15));
        let rtts = [sum.rtts.min(), sum.rtts.mean(), sum.rtts.max()];
        assert_eq!(rtts, [1, 5, 9].map(Duration::from_millis));
        assert!(
            (sum.jitter_seconds - 1.0).abs() < 1e-9,
            "the third has no reply"
        );
        assert_eq!(sum.retransmits, Some(7));
        let both = SegmentCounts { sent: 20, lost: 2 };
        assert_eq!(sum.segments, [Some(both), None]);
        let none: [&TargetTotals; 0] = [];
        assert!(TargetTotals::sum(none).is_none());
    }

    #[test]
    fn no_direction_is_at_fault_where_a_connection_has_stalled() {
        let mut totals = totals(10);
        let (sent, lost) = (100, 50);
        totals.segments = [
            Some(SegmentCounts { sent, lost }),
            Some(SegmentCounts { sent, lost: 0 }),
        ];
        assert_eq!(totals.most_packet_loss(), Some(Direction::Forward));
        let reason = DisconnectReason::Stalled;
        let _ = count(&mut totals, &[Event::Disconnected { reason }]);
        assert_eq!(totals.most_packet_loss(), None);
    }
}
