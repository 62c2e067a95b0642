//! The data of each target, as an observer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tcp_echo_prober::{
    ConnectFailure, Counts, Direction, Event, Observer, SegmentCounts, Sensor, Session, Target,
};

use crate::format::printable;

/// The number of last slots in percentiles and chart.
pub(super) const MAX_SAMPLES: usize = 512;
/// The number of events of the connection kept.
const MAX_CHANGES: usize = 50;

/// The data of all targets. Clones share it.
#[derive(Clone, Debug)]
pub struct LiveTargets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    cells: Mutex<Vec<Arc<Cell>>>,
}

/// One target.
#[derive(Debug)]
pub(super) struct Cell {
    /// Name and address, with control characters escaped.
    pub(super) name: Arc<str>,
    pub(super) address: Arc<str>,
    target: Target,
    /// Whether each flow is attached.
    attached: Box<[AtomicBool]>,
    data: Mutex<Data>,
    is_gone: AtomicBool,
}

/// The data of a target: of all its flows.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// What each flow adds to the next fields.
    flows: Vec<Flow>,
    pub(super) counts: Counts,
    /// Of the loss windows.
    pub(super) loss_ratio: f64,
    /// The packet loss of the last minute, forward and reverse, where it is known.
    pub(super) packet_loss: [Option<f64>; Direction::ALL.len()],
    pub(super) jitter_seconds: f64,
    pub(super) is_connected: bool,
    /// Whether the peer has said that it stops, and is not back.
    pub(super) is_departed: bool,
    pub(super) peer: Option<SocketAddr>,
    /// Why the last attempt to connect failed, until one succeeds.
    pub(super) failure: Option<ConnectFailure>,
    /// The outcomes of the last slots, the oldest first.
    pub(super) samples: VecDeque<Sample>,
    /// Events of the connection, the oldest first.
    pub(super) changes: VecDeque<Change>,
}

/// The session of one flow at its last event.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    counts: Counts,
    /// Lost slots and all slots of the loss window.
    window: [u32; 2],
    /// The segments of the last minute, forward and reverse, where they are known.
    segments: [Option<SegmentCounts>; Direction::ALL.len()],
    jitter_seconds: f64,
    is_connected: bool,
    is_departed: bool,
}

/// The outcome of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Seconds since the start of the view.
    pub(super) at: f64,
    pub(super) outcome: Outcome,
}

/// The kind of outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The RTT in seconds.
    Received(f32),
    Lost,
    /// This host missed it.
    Missed,
}

impl Sample {
    pub(super) fn rtt(self) -> Option<f32> {
        match self.outcome {
            Outcome::Received(rtt) => Some(rtt),
            Outcome::Lost | Outcome::Missed => None,
        }
    }
}

/// An event of the connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Seconds since the start of the view.
    pub(super) at: f64,
    pub(super) event: Event,
}

/// An update that the sensor could not store yet.
#[derive(Debug)]
enum Update {
    Sample(Sample),
    Change(Change),
}

/// Stores the events of one flow of a target.
#[derive(Debug)]
pub struct LiveSensor {
    cell: Arc<Cell>,
    flow: u16,
    started: Instant,
    updates: Vec<Update>,
}

impl Default for LiveTargets {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveTargets {
    /// Without targets.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            started: Instant::now(),
            cells: Mutex::default(),
        }))
    }

    /// Seconds since the start of the view.
    pub(super) fn now(&self) -> f64 {
        self.0.started.elapsed().as_secs_f64()
    }

    /// The current targets.
    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = lock(&self.0.cells);
        cells.retain(|cell| !cell.is_gone.load(Ordering::Relaxed));
        cells.clone()
    }
}

impl Shared {
    /// The cell of a target, which is a new one unless another flow of it is attached already.
    fn cell(&self, target: &Target, flow: u16) -> Arc<Cell> {
        let mut cells = lock(&self.cells);
        let others = target.flows().get() > 1;
        let known = cells.iter().rev().filter(|_| others);
        let mut known = known.filter(|cell| cell.target == *target);
        if let Some(cell) = known.find(|cell| cell.takes(flow)) {
            return Arc::clone(cell);
        }
        let flows = usize::from(target.flows().get());
        let cell = Arc::new(Cell {
            name: printable(target.name()).into(),
            address: target.address().to_string().into(),
            target: target.clone(),
            attached: (0..flows)
                .map(|own| (own == usize::from(flow)).into())
                .collect(),
            data: Mutex::new(Data {
                flows: vec![Flow::default(); flows],
                samples: VecDeque::with_capacity(MAX_SAMPLES),
                ..Data::default()
            }),
            is_gone: AtomicBool::new(false),
        });
        cells.push(Arc::clone(&cell));
        cell
    }
}

impl Cell {
    /// Whether this flow was not attached yet. It is from now on.
    fn takes(&self, flow: u16) -> bool {
        let is_new = |attached: &AtomicBool| !attached.swap(true, Ordering::Relaxed);
        !self.is_gone.load(Ordering::Relaxed)
            && self.attached.get(usize::from(flow)).is_some_and(is_new)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Data> {
        lock(&self.data)
    }
}

impl Observer for LiveTargets {
    type Sensor = LiveSensor;

    fn attach(&self, target: &Target) -> LiveSensor {
        self.attach_flow(target, 0)
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> LiveSensor {
        LiveSensor {
            cell: self.0.cell(target, flow),
            flow,
            started: self.0.started,
            updates: Vec::with_capacity(16),
        }
    }
}

impl Sensor for LiveSensor {
    #[inline]
    fn on_event(&mut self, event: &Event, session: &Session) {
        match event {
            Event::Received { rtt, .. } => self.sample(Outcome::Received(rtt.as_secs_f32())),
            Event::Unsent { reason, .. } if reason.is_own_host() => self.sample(Outcome::Missed),
            Event::TimedOut { .. } | Event::Unsent { .. } => self.sample(Outcome::Lost),
            Event::Connected { .. }
            | Event::ConnectFailed { .. }
            | Event::Disconnected { .. }
            | Event::SoftError => {
                let (at, event) = (self.now(), event.clone());
                self.updates.push(Update::Change(Change { at, event }));
            }
            _ => {}
        }
        // Counts are those of the session: a later event brings what is skipped here.
        let Ok(mut data) = self.cell.data.try_lock() else {
            return;
        };
        data.set(self.flow, event, session);
        for update in self.updates.drain(..) {
            data.apply(update);
        }
    }
}

impl Drop for LiveSensor {
    fn drop(&mut self) {
        self.cell.is_gone.store(true, Ordering::Relaxed);
    }
}

impl LiveSensor {
    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn sample(&mut self, outcome: Outcome) {
        let at = self.now();
        self.updates.push(Update::Sample(Sample { at, outcome }));
    }
}

impl Flow {
    fn set(&mut self, event: &Event, session: &Session) {
        let window = session.loss_window();
        self.counts = *session.counts();
        self.window = [window.lost(), window.len()];
        self.jitter_seconds = session.jitter_seconds();
        self.is_connected = session.is_connected();
        self.is_departed = session.is_departed();
        if let Event::TcpInfo(_) | Event::PeerSegments = event {
            self.segments = Direction::ALL.map(|direction| {
                let is_known = session.segments(direction).sent > 0;
                is_known.then(|| session.recent_segments(direction))
            });
        }
    }
}

impl Data {
    /// Stores the session of a flow.
    fn set(&mut self, flow: u16, event: &Event, session: &Session) {
        if let Some(flow) = self.flows.get_mut(usize::from(flow)) {
            flow.set(event, session);
        }
        let flows = &self.flows;
        self.counts = Counts::default();
        for flow in flows {
            self.counts += flow.counts;
        }
        let [lost, len] = [0, 1].map(|part| {
            let parts = flows.iter().map(|flow| u64::from(flow.window[part]));
            parts.sum::<u64>()
        });
        self.loss_ratio = ratio(lost, len);
        self.is_connected = flows.iter().any(|flow| flow.is_connected);
        self.is_departed = flows.iter().any(|flow| flow.is_departed);
        // A flow without a connection keeps its last jitter.
        let jitters = flows
            .iter()
            .filter(|flow| flow.is_connected == self.is_connected)
            .map(|flow| flow.jitter_seconds);
        let (sum, len) = jitters.fold((0.0, 0.0), |(sum, len), own| (sum + own, len + 1.0));
        self.jitter_seconds = sum / f64::max(len, 1.0);
        if let Event::TcpInfo(_) | Event::PeerSegments = event {
            self.packet_loss = [0, 1].map(|direction: usize| {
                let known = flows.iter().filter_map(|flow| flow.segments[direction]);
                let sum = known.reduce(|sum, own| SegmentCounts {
                    sent: sum.sent + own.sent,
                    lost: sum.lost + own.lost,
                });
                sum.map(|sum| ratio(sum.lost, sum.sent))
            });
        }
    }

    fn apply(&mut self, update: Update) {
        match update {
            Update::Sample(sample) => push(&mut self.samples, sample, MAX_SAMPLES),
            Update::Change(change) => {
                match change.event {
                    Event::Connected { address, .. } => {
                        self.peer = Some(address);
                        self.failure = None;
                    }
                    Event::ConnectFailed { reason } => self.failure = Some(reason),
                    _ => {}
                }
                // A target that is down fails the same way for ever.
                let repeats =
                    matches!(change.event, Event::ConnectFailed { .. } | Event::SoftError)
                        && self
                            .changes
                            .back()
                            .is_some_and(|last| last.event == change.event);
                if !repeats {
                    push(&mut self.changes, change, MAX_CHANGES);
                }
            }
        }
    }
}

/// At most 1; 0 without any.
fn ratio(of: u64, len: u64) -> f64 {
    if len == 0 {
        0.0
    } else {
        (of as f64 / len as f64).min(1.0)
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T, max: usize) {
    if ring.len() == max {
        ring.pop_front();
    }
    ring.push_back(item);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tcp_echo_prober::SessionConfig;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn session() -> (Target, Session) {
        let config = SessionConfig::new(SECOND, SECOND).unwrap();
        let target = Target::new("127.0.0.1:4000".parse().unwrap(), config.clone());
        (
            target.named("a\u{1b}[2J"),
            Session::new(&config, Instant::now()),
        )
    }

    fn unsent() -> Event {
        Event::Unsent {
            reason: tcp_echo_prober::UnsentReason::Disconnected,
            slots: 1,
        }
    }

    #[test]
    fn a_sensor_never_waits_for_the_view_and_loses_nothing() {
        let targets = LiveTargets::new();
        let (target, session) = session();
        let mut sensor = targets.attach(&target);
        let cells = targets.cells();
        let view = cells[0].lock();
        for _ in 0..20 {
            sensor.on_event(&unsent(), &session);
        }
        assert_eq!(view.samples.len(), 0);
        drop(view);
        sensor.on_event(&unsent(), &session);
        assert_eq!(cells[0].lock().samples.len(), 21);
    }

    #[test]
    fn memory_is_bounded_and_repeated_failures_are_one() {
        let targets = LiveTargets::new();
        let (target, session) = session();
        let mut sensor = targets.attach(&target);
        let failed = Event::ConnectFailed {
            reason: ConnectFailure::Refused,
        };
        for _ in 0..2 * MAX_SAMPLES {
            sensor.on_event(&unsent(), &session);
            sensor.on_event(&failed, &session);
        }
        let cells = targets.cells();
        let data = cells[0].lock();
        assert_eq!(data.samples.len(), MAX_SAMPLES);
        assert_eq!(data.changes.len(), 1);
        assert_eq!(data.failure, Some(ConnectFailure::Refused));
        drop(data);
        for _ in 0..3 {
            sensor.on_event(&Event::SoftError, &session);
        }
        let changes = cells[0].lock().changes.clone();
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[1].event, Event::SoftError);
    }

    #[test]
    fn a_target_with_several_flows_is_one() {
        let targets = LiveTargets::new();
        let (target, _) = session();
        let target = target.with_flows(2.try_into().unwrap());
        let mut flows = [0, 1].map(|flow| {
            let session = Session::new(target.session(), Instant::now());
            (targets.attach_flow(&target, flow), session)
        });
        let peer: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        for (sensor, session) in &mut flows {
            let connected = session.handle_connected(Instant::now(), peer, SECOND);
            sensor.on_event(&connected, session);
        }
        let cells = targets.cells();
        assert_eq!(cells.len(), 1);
        let mut data = cells[0].lock();
        data.flows[0].counts.sent = 3;
        data.flows[0].window = [1, 4];
        data.flows[0].segments[0] = Some(SegmentCounts { sent: 8, lost: 2 });
        drop(data);
        let (second, session) = &mut flows[1];
        second.on_event(&Event::PeerSegments, session);
        let data = cells[0].lock();
        assert_eq!(
            (data.counts.sent, data.packet_loss),
            (3, [Some(0.25), None])
        );
        assert!((data.loss_ratio - 0.25).abs() < f64::EPSILON);
        assert!(data.is_connected);
        drop(data);

        let (first, session) = &mut flows[0];
        let reason = tcp_echo_prober::DisconnectReason::Reset;
        let ended = session.handle_disconnected(reason);
        first.on_event(&ended, session);
        assert!(cells[0].lock().is_connected, "the other one still is");
        // Another target of the name is another line.
        let _next = targets.attach_flow(&target, 0);
        assert_eq!(targets.cells().len(), 2);
    }

    #[test]
    fn names_are_escaped_and_removed_targets_disappear() {
        let targets = LiveTargets::new();
        let (target, _) = session();
        let sensor = targets.attach(&target);
        assert_eq!(&*targets.cells()[0].name, r"a\u{1b}[2J");
        drop(sensor);
        assert!(targets.cells().is_empty());
    }
}
