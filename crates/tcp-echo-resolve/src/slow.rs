//! Names whose look-ups hang, and their backoff.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// The delay after a name has hung once. It doubles each time.
const FIRST: Duration = Duration::from_secs(1);

/// The maximum delay.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(30);

/// How long after its delay a name still counts as slow.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Names whose last look-up has hung, each with its own delay.
#[derive(Debug)]
pub(crate) struct Slow<K>(HashMap<K, Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    delay: Duration,
    until: Instant,
}

impl<K: Eq + Hash> Slow<K> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(crate) fn contains(&self, name: &K) -> bool {
        self.0.contains_key(name)
    }

    /// Whether it is too early to ask for `name` again.
    pub(crate) fn is_waiting(&self, name: &K, now: Instant) -> bool {
        self.0.get(name).is_some_and(|entry| now < entry.until)
    }

    /// Notes that a look-up of `name` has ended, and whether it has hung.
    pub(crate) fn ended(&mut self, name: K, has_hung: bool, now: Instant) {
        if !has_hung {
            self.0.remove(&name);
            return;
        }
        // Forget names that are no longer looked up.
        self.0.retain(|_, entry| now < entry.until + REMEMBERED);
        let entry = self.0.entry(name).or_insert(Entry {
            delay: FIRST / 2,
            until: now,
        });
        entry.delay = (entry.delay * 2).min(MAX_DELAY);
        // Randomly shortened, to spread names that began to hang together.
        entry.until = now + entry.delay.mul_f64(0.5 + fastrand::f64() / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_a_delay_of_its_own_that_doubles_up_to_a_bound() {
        let (mut slow, mut now) = (Slow::new(), Instant::now());
        let mut delay = FIRST;
        for _ in 0..10 {
            slow.ended("bad", true, now);
            assert!(slow.is_waiting(&"bad", now + delay.mul_f64(0.49)));
            assert!(!slow.is_waiting(&"bad", now + delay));
            assert!(!slow.is_waiting(&"good", now));
            now += delay;
            delay = (2 * delay).min(MAX_DELAY);
        }
        slow.ended("bad", false, now);
        assert!(!slow.contains(&"bad") && !slow.is_waiting(&"bad", now));
    }

    #[test]
    fn what_is_not_asked_for_any_more_is_forgotten() {
        let (mut slow, now) = (Slow::new(), Instant::now());
        for n in 0..100 {
            slow.ended(n, true, now);
        }
        slow.ended(100, true, now + MAX_DELAY + REMEMBERED);
        assert_eq!(slow.0.len(), 1);
    }
}
