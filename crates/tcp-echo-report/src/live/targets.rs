//! The data of each target, as an observer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tcp_echo_prober::{
    ConnectFailure, Counts, Direction, Event, Observer, Sensor, Session, Target,
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
    data: Mutex<Data>,
    is_gone: AtomicBool,
}

/// The data of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    pub(super) counts: Counts,
    /// Of the loss window.
    pub(super) loss_ratio: f64,
    /// The packet loss of the last minute, forward and reverse, where it is known.
    pub(super) packet_loss: [Option<f64>; Direction::ALL.len()],
    pub(super) jitter_seconds: f64,
    pub(super) is_connected: bool,
    pub(super) peer: Option<SocketAddr>,
    /// Why the last attempt to connect failed, until one succeeds.
    pub(super) failure: Option<ConnectFailure>,
    /// The outcomes of the last slots, the oldest first.
    pub(super) samples: VecDeque<Sample>,
    /// Events of the connection, the oldest first.
    pub(super) changes: VecDeque<Change>,
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

/// Stores the events of one target.
#[derive(Debug)]
pub struct LiveSensor {
    cell: Arc<Cell>,
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

impl Cell {
    pub(super) fn lock(&self) -> MutexGuard<'_, Data> {
        lock(&self.data)
    }
}

impl Observer for LiveTargets {
    type Sensor = LiveSensor;

    fn attach(&self, target: &Target) -> LiveSensor {
        let cell = Arc::new(Cell {
            name: printable(target.name()).into(),
            address: target.address().to_string().into(),
            data: Mutex::new(Data {
                samples: VecDeque::with_capacity(MAX_SAMPLES),
                ..Data::default()
            }),
            is_gone: AtomicBool::new(false),
        });
        lock(&self.0.cells).push(Arc::clone(&cell));
        LiveSensor {
            cell,
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
        data.counts = *session.counts();
        data.loss_ratio = session.loss_window().ratio();
        data.jitter_seconds = session.jitter_seconds();
        data.is_connected = session.is_connected();
        if let Event::TcpInfo(_) | Event::PeerSegments = event {
            data.packet_loss = Direction::ALL.map(|direction| {
                let is_known = session.segments(direction).sent > 0;
                is_known.then(|| session.packet_loss_ratio(direction))
            });
        }
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

impl Data {
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
    fn names_are_escaped_and_removed_targets_disappear() {
        let targets = LiveTargets::new();
        let (target, _) = session();
        let sensor = targets.attach(&target);
        assert_eq!(&*targets.cells()[0].name, r"a\u{1b}[2J");
        drop(sensor);
        assert!(targets.cells().is_empty());
    }
}
