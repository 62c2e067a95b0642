//! Moments of the recent past.

use std::time::{Duration, Instant};

/// Slots that are closer than this belong together.
const CLOSE: Duration = Duration::from_secs(3);

/// The first and the last of slots that are close to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) first: Instant,
    last: Instant,
}

impl Chain {
    pub(crate) const fn new(due: Instant) -> Self {
        let (first, last) = (due, due);
        Self { first, last }
    }

    /// Adds a slot, or several up to `last`. Returns whether it is another chain.
    pub(crate) fn add(&mut self, due: Instant, last: Instant) -> bool {
        let is_new = due.saturating_duration_since(self.last) > CLOSE;
        self.first = if is_new { due } else { self.first.min(due) };
        self.last = self.last.max(last);
        is_new
    }

    pub(crate) const fn last(&self) -> Instant {
        self.last
    }
}

/// The last `N` moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recent<const N: usize>([Option<Instant>; N]);

impl<const N: usize> Recent<N> {
    pub(crate) const fn new() -> Self {
        Self([None; N])
    }

    pub(crate) fn push(&mut self, at: Instant) {
        self.0.rotate_left(1);
        if let Some(last) = self.0.last_mut() {
            *last = Some(at);
        }
    }

    /// The first one, if all of them are within this span.
    pub(crate) fn first_within(&self, span: Duration) -> Option<Instant> {
        let (first, last) = ((*self.0.first()?)?, (*self.0.last()?)?);
        (last.saturating_duration_since(first) <= span).then_some(first)
    }
}
