//! What is shown of each target: an observer.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tcp_echo_prober::{ConnectFailure, Counts, Event, Observer, Sensor, Session, Target};

use crate::report::printable;

/// How many of the last slots percentiles and chart are of.
pub(super) const SAMPLES: usize = 512;
/// How many changes of the connection are kept.
const CHANGES: usize = 50;

/// What is shown of all targets. Clones are the same.
#[derive(Clone, Debug)]
pub struct LiveTargets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    cells: Mutex<Vec<Arc<Cell>>>,
}

/// One target.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its name and address, as they may be shown.
    pub(super) name: Arc<str>,
    pub(super) address: Arc<str>,
    seen: Mutex<Seen>,
    is_gone: AtomicBool,
}

/// What was seen of a target.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) counts: Counts,
    /// Over the loss window.
    pub(super) loss_ratio: f64,
    pub(super) jitter_seconds: f64,
    pub(super) is_connected: bool,
    pub(super) peer: Option<SocketAddr>,
    /// Why the last attempt to connect failed, until one succeeds.
    pub(super) failure: Option<ConnectFailure>,
    /// The outcomes of the last slots, the oldest first.
    pub(super) samples: VecDeque<Sample>,
    /// What became of the connection, the oldest first.
    pub(super) changes: VecDeque<Change>,
}

/// The outcome of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Seconds since the view began.
    pub(super) at: f64,
    pub(super) outcome: Outcome,
}

/// What became of it.
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

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Seconds since the view began.
    pub(super) at: f64,
    pub(super) event: Event,
}

/// What a sensor could not hand over yet.
#[derive(Debug)]
enum News {
    Sample(Sample),
    Change(Change),
}

/// Hands on what happens to one target.
#[derive(Debug)]
pub struct LiveSensor {
    cell: Arc<Cell>,
    began: Instant,
    news: Vec<News>,
}

impl Default for LiveTargets {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveTargets {
    /// No targets yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            cells: Mutex::default(),
        }))
    }

    /// Seconds since the view began.
    pub(super) fn now(&self) -> f64 {
        self.0.began.elapsed().as_secs_f64()
    }

    /// The targets that there are.
    pub(super) fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = lock(&self.0.cells);
        cells.retain(|cell| !cell.is_gone.load(Ordering::Relaxed));
        cells.clone()
    }
}

impl Cell {
    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Observer for LiveTargets {
    type Sensor = LiveSensor;

    fn attach(&self, target: &Target) -> LiveSensor {
        let cell = Arc::new(Cell {
            name: printable(target.name()).into(),
            address: target.address().to_string().into(),
            seen: Mutex::new(Seen {
                samples: VecDeque::with_capacity(SAMPLES),
                ..Seen::default()
            }),
            is_gone: AtomicBool::new(false),
        });
        lock(&self.0.cells).push(Arc::clone(&cell));
        LiveSensor {
            cell,
            began: self.0.began,
            news: Vec::with_capacity(16),
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
            Event::Connected { .. } | Event::ConnectFailed { .. } | Event::Disconnected { .. } => {
                let (at, event) = (self.now(), event.clone());
                self.news.push(News::Change(Change { at, event }));
            }
            _ => {}
        }
        // Counts are the session's own, so that an update that is missed here comes
        // with the next one.
        let Ok(mut seen) = self.cell.seen.try_lock() else {
            return;
        };
        seen.counts = *session.counts();
        seen.loss_ratio = session.loss_window().ratio();
        seen.jitter_seconds = session.jitter_seconds();
        seen.is_connected = session.is_connected();
        for news in self.news.drain(..) {
            seen.take(news);
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
        self.began.elapsed().as_secs_f64()
    }

    fn sample(&mut self, outcome: Outcome) {
        let at = self.now();
        self.news.push(News::Sample(Sample { at, outcome }));
    }
}

impl Seen {
    fn take(&mut self, news: News) {
        match news {
            News::Sample(sample) => push(&mut self.samples, sample, SAMPLES),
            News::Change(change) => {
                match change.event {
                    Event::Connected { address, .. } => {
                        self.peer = Some(address);
                        self.failure = None;
                    }
                    Event::ConnectFailed { reason } => self.failure = Some(reason),
                    _ => {}
                }
                // A target that stays away says the same for ever.
                let repeats = matches!(change.event, Event::ConnectFailed { .. })
                    && self
                        .changes
                        .back()
                        .is_some_and(|last| last.event == change.event);
                if !repeats {
                    push(&mut self.changes, change, CHANGES);
                }
            }
        }
    }
}

fn push<T>(ring: &mut VecDeque<T>, item: T, most: usize) {
    if ring.len() == most {
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
    fn a_sensor_does_not_wait_for_the_view_and_loses_nothing() {
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
    fn memory_is_bounded_and_what_repeats_is_shown_once() {
        let targets = LiveTargets::new();
        let (target, session) = session();
        let mut sensor = targets.attach(&target);
        let failed = Event::ConnectFailed {
            reason: ConnectFailure::Refused,
        };
        for _ in 0..2 * SAMPLES {
            sensor.on_event(&unsent(), &session);
            sensor.on_event(&failed, &session);
        }
        let cells = targets.cells();
        let seen = cells[0].lock();
        assert_eq!(seen.samples.len(), SAMPLES);
        assert_eq!(seen.changes.len(), 1);
        assert_eq!(seen.failure, Some(ConnectFailure::Refused));
    }

    #[test]
    fn names_do_not_act_and_targets_go() {
        let targets = LiveTargets::new();
        let (target, _) = session();
        let sensor = targets.attach(&target);
        assert_eq!(&*targets.cells()[0].name, r"a\u{1b}[2J");
        drop(sensor);
        assert!(targets.cells().is_empty());
    }
}
