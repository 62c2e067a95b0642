//! Checks that the slots of every target advance.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tcp_echo_session::{Event, Session};

use crate::{Observer, Sensor, Target};

/// The maximum delay of a slot in intervals of its target …
const MAX_INTERVALS: u32 = 3;
/// … but at least this.
const MIN_LIMIT: Duration = Duration::from_secs(5);

/// Detects targets whose schedule has stopped, as that of a prober that hangs does: an
/// [`Observer`], for a watchdog to ask. The slots of a dead peer advance. Clones share the
/// targets.
///
/// ```
/// use std::time::Instant;
/// use tcp_echo_prober::{Heartbeats, Prober};
///
/// let heartbeats = Heartbeats::default();
/// let prober = Prober::builder().observer(heartbeats.clone()).start()?;
/// assert_eq!(heartbeats.stuck(Instant::now()), None);
/// prober.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Heartbeats(Arc<Mutex<Vec<Watched>>>);

#[derive(Debug)]
struct Watched {
    name: Arc<str>,
    slots: Weak<AtomicU64>,
    limit: Duration,
    /// The number of slots at the last check that saw a change, and the time of that.
    seen: (u64, Instant),
}

/// Counts the slots of one target for [`Heartbeats`].
#[derive(Debug)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Observer for Heartbeats {
    type Sensor = Heartbeat;

    fn attach(&self, target: &Target) -> Heartbeat {
        let slots = Arc::new(AtomicU64::new(0));
        let watched = Watched {
            name: Arc::clone(target.name()),
            slots: Arc::downgrade(&slots),
            // The first slot may wait for the first connection, up to a timeout.
            limit: MIN_LIMIT
                .max(target.session().interval() * MAX_INTERVALS + target.session().timeout()),
            seen: (0, Instant::now()),
        };
        let mut targets = self.lock();
        if targets.len() == targets.capacity() {
            // Targets come and go also if no watchdog ever checks them.
            targets.retain(Watched::exists);
            // The next clean-up is due after as many new targets as there are now.
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
            // This is the only writer.
            let slots = self.0.load(Ordering::Relaxed);
            self.0.store(slots.wrapping_add(1), Ordering::Relaxed);
        }
    }
}

impl Watched {
    fn exists(&self) -> bool {
        self.slots.strong_count() > 0
    }
}

impl Heartbeats {
    /// The name of a target without a new slot for 5 seconds, or for three intervals and a
    /// timeout if that is longer; `None` if all advance. It compares with what earlier calls
    /// found, so call it repeatedly.
    pub fn stuck(&self, now: Instant) -> Option<Arc<str>> {
        let mut targets = self.lock();
        // Removed targets have dropped their sensors.
        targets.retain(Watched::exists);
        let mut stuck = None;
        for target in targets.iter_mut() {
            let slots = target.slots.upgrade();
            let slots = slots.map_or(target.seen.0, |slots| slots.load(Ordering::Relaxed));
            if slots != target.seen.0 {
                target.seen = (slots, now);
            } else if now.saturating_duration_since(target.seen.1) > target.limit {
                stuck = Some(Arc::clone(&target.name));
            }
        }
        stuck
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tcp_echo_session::SessionConfig;

    use super::*;

    fn attach(heartbeats: &Heartbeats, name: &str, interval: Duration) -> Heartbeat {
        let session = SessionConfig::new(interval, Duration::from_secs(1)).unwrap();
        heartbeats.attach(&Target::new("[::1]:1".parse().unwrap(), session).named(name))
    }

    #[test]
    fn a_target_is_stuck_while_its_slots_do_not_advance() {
        let heartbeats = Heartbeats::default();
        let quick = attach(&heartbeats, "quick", Duration::from_millis(10));
        let _slow = attach(&heartbeats, "slow", Duration::from_secs(60));
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(heartbeats.stuck(after(4)), None);
        assert_eq!(heartbeats.stuck(after(6)).as_deref(), Some("quick"));
        quick.0.store(1, Ordering::Relaxed);
        assert_eq!(heartbeats.stuck(after(8)), None);
        assert_eq!(heartbeats.stuck(after(12)), None);
        assert_eq!(heartbeats.stuck(after(14)).as_deref(), Some("quick"));
    }

    #[test]
    fn removed_targets_are_not_kept() {
        let heartbeats = Heartbeats::default();
        let _stays = attach(&heartbeats, "stays", Duration::from_millis(10));
        for _ in 0..1000 {
            drop(attach(&heartbeats, "goes", Duration::from_millis(10)));
        }
        assert!(heartbeats.lock().len() < 20);
    }

    #[test]
    fn a_removed_target_is_not_stuck() {
        let heartbeats = Heartbeats::default();
        drop(attach(&heartbeats, "gone", Duration::from_millis(10)));
        assert_eq!(
            heartbeats.stuck(Instant::now() + Duration::from_secs(100)),
            None
        );
        assert!(heartbeats.lock().is_empty());
    }
}
