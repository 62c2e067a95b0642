//! The absolute schedule of slots.

use std::time::{Duration, Instant};

use crate::span::Span;

/// Slots at `origin`, `origin + interval`, `origin + 2 × interval` and so on. They never shift:
/// a slot is taken or skipped.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    interval: Span,
    due: Instant,
}

impl Schedule {
    pub(crate) fn new(origin: Instant, interval: Duration) -> Self {
        Self {
            interval: Span::new(interval),
            due: origin,
        }
    }

    /// When the next slot is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// When the last slot at or before `at` was due.
    pub(crate) fn slot_at(&self, at: Instant) -> Instant {
        let Some(ahead) = self.due.checked_duration_since(at) else {
            return self.due + times(self.interval.get(), self.pending(at) - 1);
        };
        let interval = self.interval.get();
        let slots = ahead.as_nanos().div_ceil(interval.as_nanos().max(1));
        let back = times(interval, u64::try_from(slots).unwrap_or(u64::MAX));
        self.due.checked_sub(back).unwrap_or(at)
    }

    /// How many slots are due at or before `now`.
    pub(crate) fn pending(&self, now: Instant) -> u64 {
        match now.checked_duration_since(self.due) {
            Some(past) => whole_times(self.interval.get(), past) + 1,
            None => 0,
        }
    }

    /// Skips the slots before `now`.
    pub(crate) fn begin(&mut self, now: Instant) {
        let pending = self.pending(now);
        if pending > 0 {
            self.advance(pending - 1);
            // A slot that is due exactly now is the first one.
            if self.due < now {
                self.advance(1);
            }
        }
    }

    /// Takes the next `slots` slots.
    pub(crate) fn advance(&mut self, slots: u64) {
        // At most one of these intervals is in the future (see `pending`).
        self.due += times(self.interval.get(), slots);
    }
}

fn times(interval: Duration, slots: u64) -> Duration {
    let nanos = interval.as_nanos() * u128::from(slots);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn whole_times(interval: Duration, span: Duration) -> u64 {
    u64::try_from(span.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some first moment")]
mod tests {
    use super::*;

    #[test]
    fn slots_are_where_arithmetic_says() {
        let origin = Instant::now();
        let interval = Duration::from_nanos(333_333_333);
        let mut schedule = Schedule::new(origin, interval);
        assert_eq!(schedule.pending(origin), 1);
        for n in 0..1000 {
            assert_eq!(schedule.due(), origin + n * interval);
            schedule.advance(1);
        }
        schedule.advance(1_000_000);
        assert_eq!(schedule.due(), origin + 1_001_000 * interval);
    }

    #[test]
    fn a_beginning_keeps_to_the_grid() {
        let origin = Instant::now();
        let ms = Duration::from_millis;
        let begin = |at: Duration| {
            let mut schedule = Schedule::new(origin + ms(5), ms(10));
            schedule.begin(origin + at);
            schedule.due() - origin
        };
        assert_eq!(begin(ms(0)), ms(5));
        assert_eq!(begin(ms(5)), ms(5));
        assert_eq!(begin(ms(6)), ms(15));
        assert_eq!(begin(ms(25)), ms(25));
        assert_eq!(begin(ms(26)), ms(35));
    }

    #[test]
    fn a_moment_has_its_slot() {
        let origin = Instant::now() + Duration::from_secs(1);
        let ms = Duration::from_millis;
        let mut schedule = Schedule::new(origin, ms(10));
        schedule.advance(5);
        for (at, slot) in [
            (0, 0),
            (9, 0),
            (10, 10),
            (49, 40),
            (50, 50),
            (59, 50),
            (75, 70),
        ] {
            assert_eq!(schedule.slot_at(origin + ms(at)), origin + ms(slot), "{at}");
        }
    }

    #[test]
    fn what_is_due_is_counted_from_its_moment_on() {
        let origin = Instant::now();
        let us = Duration::from_micros;
        let ms = Duration::from_millis;
        let schedule = Schedule::new(origin + ms(5), ms(10));
        let pending = |at: Duration| schedule.pending(origin + at);
        assert_eq!(pending(ms(0)), 0);
        // Windows takes moments for the same that lie closer than its counter's step.
        assert_eq!(pending(us(4_999)), 0);
        assert_eq!(pending(ms(5)), 1);
        assert_eq!(pending(us(14_999)), 1);
        assert_eq!(pending(ms(15)), 2);
        assert_eq!(pending(ms(1005)), 101);
    }
}
