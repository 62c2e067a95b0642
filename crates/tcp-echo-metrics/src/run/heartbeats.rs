//! Whether the slots of every target go on: a prober that hangs has none.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tcp_echo_prober::{Event, Observer, Sensor, Session, Target};

/// How late slots may be, in intervals of their target …
const INTERVALS: u32 = 3;
/// … and how late at least, whatever the interval.
const LEAST: Duration = Duration::from_secs(5);

/// Detects targets whose schedule has stopped. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Heartbeats(Arc<Mutex<Vec<Watched>>>);

#[derive(Debug)]
struct Watched {
    name: Arc<str>,
    slots: Weak<AtomicU64>,
    limit: Duration,
    /// The number of slots at the last change that was seen, and when that was.
    seen: (u64, Instant),
}

/// Counts the slots of one target.
#[derive(Debug)]
pub(super) struct Heartbeat(Arc<AtomicU64>);

impl Observer for Heartbeats {
    type Sensor = Heartbeat;

    fn attach(&self, target: &Target) -> Heartbeat {
        let slots = Arc::new(AtomicU64::new(0));
        let watched = Watched {
            name: Arc::clone(target.name()),
            slots: Arc::downgrade(&slots),
            // The first slot may wait for the first connection, as long as a timeout.
            limit: LEAST.max(target.session().interval() * INTERVALS + target.session().timeout()),
            seen: (0, Instant::now()),
        };
        let mut targets = self.lock();
        if targets.len() == targets.capacity() {
            // Nobody may ever ask who is missing, and targets come and go all the same.
            targets.retain(Watched::is_there);
            // So that the next look is as far away as there are targets.
            let spare = targets.len();
            targets.reserve(spare);
        }
        targets.push(watched);
        Heartbeat(slots)
    }
}

impl Sensor for Heartbeat {
    #[inline]
    fn on_event(&mut self, event: &Event, _session: &Session) {
        if matches!(event, Event::Sent { .. } | Event::Unsent { .. }) {
            // Nobody else writes it.
            let slots = self.0.load(Ordering::Relaxed);
            self.0.store(slots.wrapping_add(1), Ordering::Relaxed);
        }
    }
}

impl Watched {
    fn is_there(&self) -> bool {
        self.slots.strong_count() > 0
    }
}

impl Heartbeats {
    /// The name of a target whose slots don't go on, if there is one.
    pub(super) fn missing(&self, now: Instant) -> Option<Arc<str>> {
        let mut targets = self.lock();
        // Those that are gone have taken their sensors with them.
        targets.retain(Watched::is_there);
        let mut missing = None;
        for target in targets.iter_mut() {
            let slots = target.slots.upgrade();
            let slots = slots.map_or(target.seen.0, |slots| slots.load(Ordering::Relaxed));
            if slots != target.seen.0 {
                target.seen = (slots, now);
            } else if now.saturating_duration_since(target.seen.1) > target.limit {
                missing = Some(Arc::clone(&target.name));
            }
        }
        missing
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tcp_echo_prober::SessionConfig;

    use super::*;

    fn attach(heartbeats: &Heartbeats, name: &str, interval: Duration) -> Heartbeat {
        let session = SessionConfig::new(interval, Duration::from_secs(1)).unwrap();
        heartbeats.attach(&Target::new("[::1]:1".parse().unwrap(), session).named(name))
    }

    #[test]
    fn a_target_is_missed_when_its_slots_stop_and_until_they_go_on() {
        let heartbeats = Heartbeats::default();
        let quick = attach(&heartbeats, "quick", Duration::from_millis(10));
        let _slow = attach(&heartbeats, "slow", Duration::from_secs(60));
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(heartbeats.missing(after(4)), None);
        assert_eq!(heartbeats.missing(after(6)).as_deref(), Some("quick"));
        quick.0.store(1, Ordering::Relaxed);
        assert_eq!(heartbeats.missing(after(8)), None);
        assert_eq!(heartbeats.missing(after(12)), None);
        assert_eq!(heartbeats.missing(after(14)).as_deref(), Some("quick"));
    }

    #[test]
    fn targets_that_come_and_go_are_not_kept() {
        let heartbeats = Heartbeats::default();
        let _stays = attach(&heartbeats, "stays", Duration::from_millis(10));
        for _ in 0..1000 {
            drop(attach(&heartbeats, "goes", Duration::from_millis(10)));
        }
        assert!(heartbeats.lock().len() < 20);
    }

    #[test]
    fn a_target_that_is_gone_is_not_missed() {
        let heartbeats = Heartbeats::default();
        drop(attach(&heartbeats, "gone", Duration::from_millis(10)));
        assert_eq!(
            heartbeats.missing(Instant::now() + Duration::from_secs(100)),
            None
        );
        assert!(heartbeats.lock().is_empty());
    }
}
