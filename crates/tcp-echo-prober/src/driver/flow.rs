//! One flow of a target: its source port, and when it takes another one.

use std::{
    num::NonZeroU16,
    sync::Arc,
    time::{Duration, Instant},
};

use tcp_echo_session::{Direction, Event, Session};

use crate::{Options, Path, Target, dial::FlowPort, paths::TargetFlows};

/// One flow of so many explores other paths: what it finds is worth more than one more
/// observation of the paths that the others have.
const FLOWS_PER_EXPLORER: u16 = 4;

/// How long an explorer stays on a path that is not bad. With four explorers of sixteen flows, 40 ports
/// more are tried in half a minute: with eight paths, one is missed once in 1,800 times.
const EXPLORE_EVERY: Duration = Duration::from_secs(3);

/// How often a flow votes for as long as it is bad.
const VOTE_EVERY: Duration = Duration::from_secs(10);

/// How many ports beyond those of all flows exploring takes, as a multiple of their number.
const EXPLORED_PORTS: u32 = 15;

/// One of several flows of a target, or one with a port of its own.
pub(super) struct Flow {
    index: u16,
    group: Arc<TargetFlows>,
    /// The source port; `None` until the system has chosen it.
    port: Option<u16>,
    /// The ports of all flows of the target, and those to explore; else the system chooses.
    ports: Option<Ports>,
    /// The duration of the last handshake.
    handshake: Option<Duration>,
    is_bad: bool,
    /// When an explorer takes another port.
    moves_at: Option<Instant>,
    /// The segments that were counted so far.
    segments: Totals,
    /// Whether it connects from the same port again.
    keeps_port: bool,
    /// Its last trace, and the last one that reached the target.
    path: Option<Arc<Path>>,
    complete: Option<Arc<Path>>,
    votes_at: Option<Instant>,
}

/// Sent and lost in total.
#[derive(Clone, Copy, Default)]
struct Totals {
    sent: u64,
    lost: u64,
}

/// The source ports of a target's flows.
#[derive(Clone, Copy)]
struct Ports {
    first: NonZeroU16,
    flows: u16,
}

impl Ports {
    /// The port of this flow. Ports that would exceed the last one start over at the first.
    fn of(self, flow: u32) -> u16 {
        let room = u32::from(u16::MAX - self.first.get()) + 1;
        let port = u32::from(self.first.get()) + flow % room;
        u16::try_from(port).unwrap_or(self.first.get())
    }

    /// The *n*th port of those to explore.
    fn to_explore(self, n: u32) -> u16 {
        let flows = u32::from(self.flows);
        self.of(flows + n % (flows * EXPLORED_PORTS))
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
        let ports = options.source_ports.map(|first| Ports { first, flows });
        let port = ports.map(|ports| ports.of(u32::from(index)));
        let group = attach();
        let explorers = flows / FLOWS_PER_EXPLORER;
        let explorer = (flows - index)
            .checked_sub(1)
            .filter(|nth| *nth < explorers);
        let mut flow = Self::only(group);
        flow.index = index;
        flow.port = port;
        flow.ports = ports;
        flow.keeps_port = true;
        // They take turns.
        flow.moves_at = explorer.map(|nth| {
            Instant::now() + EXPLORE_EVERY + EXPLORE_EVERY * u32::from(nth) / u32::from(explorers)
        });
        flow.group.connected(index, port);
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
            handshake: None,
            is_bad: false,
            moves_at: None,
            segments: Totals::default(),
            keeps_port: false,
            path: None,
            complete: None,
            votes_at: None,
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
    pub(super) fn traced(&mut self, path: Arc<Path>) {
        if path.is_complete {
            self.complete = Some(path.clone());
        }
        self.group.traced(self.index, path.clone());
        self.path = Some(path);
    }

    /// The path that a bad flow votes for now, and an earlier one that reached the target.
    pub(super) fn take_vote(&mut self, now: Instant) -> Option<(Arc<Path>, Option<Arc<Path>>)> {
        if !self.is_bad || self.votes_at.is_some_and(|at| at > now) {
            return None;
        }
        let path = self.path.clone()?;
        self.votes_at = Some(now + VOTE_EVERY);
        Some((path, self.complete.clone()))
    }

    /// The flow is connected from this port, and keeps it.
    pub(super) fn connected(&mut self, port: Option<u16>, handshake: Duration) {
        if self.keeps_port {
            self.port = port;
        }
        self.handshake = Some(handshake);
        self.group.connected(self.index, port);
    }

    /// Whether it changes its port from time to time.
    pub(super) const fn is_exploring(&self) -> bool {
        self.moves_at.is_some()
    }

    /// Whether the flow should connect from another port now.
    pub(super) fn moves(&self, now: Instant) -> bool {
        let is_due = self.moves_at.is_some_and(|at| at <= now);
        // A bad path stays in view until it is good again.
        is_due && !self.is_bad
    }

    /// Takes another port.
    pub(super) fn take_other_port(&mut self, now: Instant) {
        self.port = self
            .ports
            .map(|ports| ports.to_explore(self.group.explore()));
        self.is_bad = false;
        self.path = None;
        self.complete = None;
        self.moves_at = self.moves_at.map(|_| now + EXPLORE_EVERY);
        self.group.moved(self.index, self.port);
    }

    /// Records what an event says of the flow.
    #[inline]
    pub(super) fn observe(&mut self, event: &Event, session: &Session, now: Instant) {
        let slots = match event {
            Event::Received { rtt, .. } => return self.group.replied(self.index, now, *rtt),
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
        self.is_bad = self.group.lost(self.index, due, slots, loss);
    }

    /// Records what was lost since the last count: segments of both directions where the
    /// kernels tell, else slots.
    fn count(&mut self, session: &Session, now: Instant) {
        let both = [Direction::Forward, Direction::Reverse].map(|way| session.segments(way));
        let counts = session.counts();
        let mut totals = Totals {
            sent: both.iter().map(|segments| segments.sent).sum(),
            lost: both.iter().map(|segments| segments.lost).sum(),
        };
        if totals.sent == 0 {
            totals = Totals {
                sent: counts.sent,
                lost: counts.timeouts,
            };
        }
        let since =
            |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        let new = (
            since(totals.sent, self.segments.sent),
            since(totals.lost, self.segments.lost),
        );
        self.segments = totals;
        let loss = session.loss_window().ratio();
        self.is_bad = self.group.counted(self.index, now, new, loss);
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(flows(2, None)[1].as_ref().unwrap().port, None);
    }

    #[test]
    fn flows_have_ports_side_by_side_and_a_quarter_explores() {
        let mut flows: Vec<_> = flows(16, Some(40_000)).into_iter().flatten().collect();
        let ports: Vec<_> = flows.iter().filter_map(|flow| flow.port).collect();
        assert_eq!(ports, (40_000..40_016).collect::<Vec<_>>());
        let later = Instant::now() + 2 * EXPLORE_EVERY;
        let moving: Vec<_> = (0..16).filter(|n| flows[*n].moves(later)).collect();
        assert_eq!(moving, [12, 13, 14, 15]);

        let explorer = &mut flows[15];
        explorer.take_other_port(later);
        assert_eq!(explorer.port, Some(40_016));
        assert!(!explorer.moves(later));
        explorer.is_bad = true;
        assert!(
            !explorer.moves(later + 2 * EXPLORE_EVERY),
            "a bad path stays in view"
        );
        for _ in 0..240 {
            explorer.take_other_port(later);
        }
        assert_eq!(explorer.port, Some(40_016), "ports start over");
    }

    #[test]
    fn ports_stay_below_the_last_one() {
        let ports = Ports {
            first: NonZeroU16::new(65_530).unwrap(),
            flows: 16,
        };
        assert_eq!(
            [0, 5, 6].map(|flow| ports.of(flow)),
            [65_530, 65_535, 65_530]
        );
    }
}
