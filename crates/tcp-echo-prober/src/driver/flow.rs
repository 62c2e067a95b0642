//! One flow of a target: its source port, and when it takes another one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_session::{Direction, Event, SegmentCounts, Session};

use super::{ports::Ports, voting::Voting};
use crate::{
    Options, Path, Target,
    dial::FlowPort,
    paths::{Link, LossCounts, TargetFlows},
};

/// One flow of so many explores other paths: what it finds is worth more than one more
/// observation of the paths that the others have.
const FLOWS_PER_EXPLORER: u16 = 4;

/// How long an explorer stays on a path that is not bad. With four explorers of sixteen flows, 40 ports
/// more are tried in half a minute: with eight paths, one is missed once in 1,800 times.
const EXPLORE_EVERY: Duration = Duration::from_secs(3);

/// An explorer moves only if so many round trips fit before its next slot, which would be lost else.
const ROUND_TRIPS: u32 = 2;

/// A connection is replaced for a first trace only if so many round trips fit before the next slot: each
/// hop of the trace takes one at most.
const ROUND_TRIPS_OF_TRACE: u32 = 10;

/// One of several flows of a target, or one with a port of its own.
pub(super) struct Flow {
    index: u16,
    group: Arc<TargetFlows>,
    /// The source port; `None` lets the system choose it for each connection.
    port: Option<u16>,
    /// The ports of all flows of the target, and those to explore.
    ports: Option<Ports>,
    /// The port of the last connection.
    connected_from: Option<u16>,
    /// The duration of the shortest handshake.
    handshake: Option<Duration>,
    /// The last RTT.
    rtt: Option<Duration>,
    is_bad: bool,
    /// When an explorer takes another port.
    moves_at: Option<Instant>,
    /// The segments that were counted so far.
    segments: Totals,
    forward: Totals,
    /// Whether it connects from the same port again.
    keeps_port: bool,
    /// Its last trace, and the last one that reached the target.
    path: Option<Arc<Path>>,
    complete: Option<Arc<Path>>,
    voting: Voting,
}

/// Sent and lost in total.
#[derive(Clone, Copy, Default)]
struct Totals {
    sent: u64,
    lost: u64,
}

impl Totals {
    /// Sets the totals; returns what is new.
    fn advance(&mut self, now: Self) -> LossCounts {
        let since =
            |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        let new = LossCounts {
            sent: since(now.sent, self.sent),
            lost: since(now.lost, self.lost),
        };
        *self = now;
        new
    }
}

impl Flow {
    /// The flow of this number; `None` for the only flow of a target without a port of its own.
    pub(super) fn new(
        target: &Target,
        index: u16,
        options: &Options,
        attach: impl FnOnce() -> Arc<TargetFlows>,
    ) -> Option<Box<Self>> {
        let flows = target.flows().get();
        if flows == 1 && options.source_ports.is_none() {
            return None;
        }
        let group = attach();
        let first = options.source_ports.unwrap_or_else(|| group.first_port());
        let ports = Ports { first, flows };
        let port = ports.of(u32::from(index));
        let explorers = flows / FLOWS_PER_EXPLORER;
        let explorer = (flows - index)
            .checked_sub(1)
            .filter(|nth| *nth < explorers);
        let mut flow = Self::only(group);
        flow.index = index;
        flow.port = Some(port);
        flow.ports = Some(ports);
        flow.keeps_port = true;
        // They take turns.
        flow.moves_at = explorer.map(|nth| {
            Instant::now() + EXPLORE_EVERY + EXPLORE_EVERY * u32::from(nth) / u32::from(explorers)
        });
        flow.group.connected(index, Some(port));
        Some(Box::new(flow))
    }

    /// The only flow of a target, that the system gives other ports as it reconnects. It was
    /// traced from this port.
    pub(super) fn traced_from(port: u16, group: Arc<TargetFlows>) -> Self {
        group.connected(0, Some(port));
        Self::only(group)
    }

    fn only(group: Arc<TargetFlows>) -> Self {
        Self {
            index: 0,
            group,
            port: None,
            ports: None,
            connected_from: None,
            handshake: None,
            rtt: None,
            is_bad: false,
            moves_at: None,
            segments: Totals::default(),
            forward: Totals::default(),
            keeps_port: false,
            path: None,
            complete: None,
            voting: Voting::default(),
        }
    }

    /// Where the next connection comes from.
    pub(super) const fn flow_port(&self) -> FlowPort {
        FlowPort {
            port: self.port,
            handshake: self.handshake,
        }
    }

    /// Whether it connects from the same port again.
    pub(super) const fn keeps_port(&self) -> bool {
        self.keeps_port
    }

    pub(super) const fn is_bad(&self) -> bool {
        self.is_bad
    }

    pub(super) const fn has_path(&self) -> bool {
        self.path.is_some()
    }

    /// Keeps the path of a trace.
    pub(super) fn traced(&mut self, path: Path) {
        self.group.traced(self.index, Arc::new(path.clone()));
        let path = Arc::new(match &self.complete {
            Some(known) => path.completed(known),
            None => path,
        });
        if path.is_complete {
            self.complete = Some(path.clone());
        }
        self.path = Some(path);
    }

    /// The links that the flow votes for now; empty if it does not.
    pub(super) fn take_vote(&mut self, now: Instant) -> Vec<Link> {
        if !self.voting.is_due(now) {
            return Vec::new();
        }
        let known = self.complete.as_deref();
        let mut links = Vec::new();
        if self.voting.is_silent() {
            // Where the target answers, the flow was only unlucky.
            let path = self.path.as_ref().filter(|path| !path.is_complete);
            // The links before the last one have just carried a packet and its answer.
            links.extend(path.and_then(|path| path.links(known).pop()));
        } else if self.voting.is_lossy(self.is_bad) {
            let path = known.or(self.path.as_deref());
            let path = path.filter(|path| Some(path.source.port()) == self.connected_from);
            links.extend(path.into_iter().flat_map(|path| path.links(known)));
        }
        if !links.is_empty() {
            self.voting.voted(now);
        }
        links
    }

    /// Whether the path to the target loses so much that it should be known.
    pub(super) fn is_lossy(&self) -> bool {
        self.is_bad || self.voting.is_lossy(false)
    }

    /// The flow is connected from this port, and keeps it.
    pub(super) fn connected(&mut self, port: Option<u16>, handshake: Duration) {
        if self.keeps_port {
            self.port = port;
        }
        // The shortest: one with a repeated SYN took a second more than the path does.
        self.handshake = Some(self.handshake.map_or(handshake, |last| last.min(handshake)));
        self.connected_from = port;
        self.group.connected(self.index, port);
    }

    /// Whether it changes its port from time to time.
    pub(super) const fn is_exploring(&self) -> bool {
        self.moves_at.is_some()
    }

    /// Whether the flow should connect from another port now, with so much time before its next slot.
    pub(super) fn moves(&self, now: Instant, time: Duration) -> bool {
        let is_due = self.moves_at.is_some_and(|at| at <= now);
        // A bad path stays in view until it is good again.
        is_due && !self.is_bad && self.has_time(ROUND_TRIPS, time)
    }

    /// Whether a first trace likely ends within this time.
    pub(super) fn has_time_to_trace(&self, time: Duration) -> bool {
        self.has_time(ROUND_TRIPS_OF_TRACE, time)
    }

    /// Whether so many round trips fit into this time.
    fn has_time(&self, round_trips: u32, time: Duration) -> bool {
        // A handshake at the start of a program with many targets takes longer.
        let rtt = self.rtt.or(self.handshake).unwrap_or_default();
        rtt.saturating_mul(round_trips) <= time
    }

    /// Takes another port.
    pub(super) fn take_other_port(&mut self, now: Instant) {
        self.port = self
            .ports
            .map(|ports| ports.to_explore(self.group.explore()));
        self.is_bad = false;
        self.path = None;
        self.complete = None;
        self.voting.moved();
        self.moves_at = self.moves_at.map(|_| now + EXPLORE_EVERY);
        self.group.moved(self.index, self.port);
    }

    /// Records what an event says of the flow.
    #[inline]
    pub(super) fn observe(&mut self, event: &Event, session: &Session, now: Instant) {
        self.voting.observe(event);
        let slots = match event {
            Event::Received { rtt, .. } => {
                self.rtt = Some(*rtt);
                return self.group.replied(self.index, now, *rtt);
            }
            Event::TimedOut { .. } => 1,
            Event::Unsent { reason, slots } if !reason.is_own_host() => *slots,
            Event::TcpInfo(_) => return self.count(session, now),
            _ => return,
        };
        let late = match event {
            Event::TimedOut { .. } => session.config().timeout(),
            _ => Duration::ZERO,
        };
        let due = now.checked_sub(late).unwrap_or(now);
        let loss = session.loss_window().ratio();
        self.is_bad = self.group.lost(self.index, (due, now), slots, loss);
    }

    /// Records what was lost since the last count: segments where the kernels tell, else slots.
    fn count(&mut self, session: &Session, now: Instant) {
        let [forward, reverse] = Direction::ALL.map(|direction| session.segments(direction));
        let counts = session.counts();
        let (both, forward) = if forward.sent + reverse.sent > 0 {
            let both = Totals {
                sent: forward.sent + reverse.sent,
                lost: forward.lost + reverse.lost,
            };
            let SegmentCounts { sent, lost } = forward;
            (both, Totals { sent, lost })
        } else {
            let slots = Totals {
                sent: counts.sent,
                lost: counts.timeouts,
            };
            (slots, slots)
        };
        self.voting.count(now, self.forward.advance(forward));
        let new = self.segments.advance(both);
        let loss = session.loss_window().ratio();
        self.is_bad = self.group.counted(self.index, now, new, loss);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use tcp_echo_session::SessionConfig;

    use super::*;
    use crate::Paths;

    fn flows(flows: u16, source_ports: Option<u16>) -> Vec<Option<Box<Flow>>> {
        let second = Duration::from_secs(1);
        let session = SessionConfig::new(second, second).unwrap();
        let target =
            Target::new("h:1".parse().unwrap(), session).with_flows(flows.try_into().unwrap());
        let options = Options {
            source_ports: source_ports.and_then(NonZeroU16::new),
            ..Options::default()
        };
        let paths = Paths::default();
        let new = |index| Flow::new(&target, index, &options, || paths.attach(&target));
        (0..flows).map(new).collect()
    }

    #[test]
    fn only_flows_with_siblings_or_ports_need_a_record() {
        assert!(flows(1, None)[0].is_none());
        assert_eq!(
            flows(1, Some(40_000))[0].as_ref().unwrap().port,
            Some(40_000)
        );
        assert!(flows(2, None)[1].as_ref().unwrap().port >= Some(49_152));
    }

    #[test]
    fn flows_have_ports_side_by_side_and_a_quarter_explores() {
        let mut flows: Vec<_> = flows(16, Some(40_000)).into_iter().flatten().collect();
        let ports: Vec<_> = flows.iter().filter_map(|flow| flow.port).collect();
        assert_eq!(ports, (40_000..40_016).collect::<Vec<_>>());
        let later = Instant::now() + 2 * EXPLORE_EVERY;
        let moving: Vec<_> = (0..16)
            .filter(|n| flows[*n].moves(later, Duration::ZERO))
            .collect();
        assert_eq!(moving, [12, 13, 14, 15]);

        let explorer = &mut flows[15];
        explorer.take_other_port(later);
        assert_eq!(explorer.port, Some(40_016));
        assert!(!explorer.moves(later, EXPLORE_EVERY));
        explorer.is_bad = true;
        assert!(
            !explorer.moves(later + 2 * EXPLORE_EVERY, EXPLORE_EVERY),
            "a bad path stays in view"
        );
        for _ in 0..240 {
            explorer.take_other_port(later);
        }
        assert_eq!(explorer.port, Some(40_016), "ports start over");
    }
}
