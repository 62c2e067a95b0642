//! Outcomes of the last slots, with those that the prober's own host missed.

use std::num::NonZeroU32;

use tcp_echo_loss::{LossWindow, Outcome};

use crate::UnsentReason;

/// The loss window, and its slots that the host missed.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    window: LossWindow,
    missed: Missed,
}

impl Outcomes {
    pub(crate) fn new(size: NonZeroU32) -> Self {
        Self {
            window: LossWindow::new(size),
            missed: Missed::new(size),
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, outcome: Outcome) {
        self.window.record(outcome);
        self.missed.record_others(1);
    }

    pub(crate) fn record_unsent(&mut self, reason: UnsentReason, slots: u64) {
        self.window.record_lost(slots);
        if reason.is_own_host() {
            self.missed.record(slots);
        } else {
            self.missed.record_others(slots);
        }
    }

    pub(crate) const fn window(&self) -> &LossWindow {
        &self.window
    }

    /// How many slots of the window were missed by the host.
    pub(crate) fn missed(&self) -> u32 {
        self.missed.slots()
    }
}

/// A second window that counts missed slots. It takes memory only while there are any.
#[derive(Clone, Debug)]
struct Missed {
    size: NonZeroU32,
    /// Its losses are missed slots; slots before it were not missed.
    window: Option<Box<LossWindow>>,
}

impl Missed {
    const fn new(size: NonZeroU32) -> Self {
        Self { size, window: None }
    }

    /// The number of missed slots in the loss window.
    fn slots(&self) -> u32 {
        self.window.as_ref().map_or(0, |window| window.lost())
    }

    /// Records missed slots.
    fn record(&mut self, slots: u64) {
        let window = self
            .window
            .get_or_insert_with(|| Box::new(LossWindow::new(self.size)));
        window.record_lost(slots);
    }

    /// Records slots with any other outcome.
    #[inline]
    fn record_others(&mut self, slots: u64) {
        if let Some(window) = &mut self.window {
            for _ in 0..slots.min(u64::from(self.size.get())) {
                window.record(Outcome::Received);
            }
            if window.lost() == 0 {
                self.window = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_counts_what_is_in_the_loss_window(
            size in 1_usize..80,
            slots in prop::collection::vec((any::<bool>(), 1_u64..100), 0..60),
        ) {
            let mut missed = Missed::new(NonZeroU32::new(size.try_into().unwrap()).unwrap());
            let mut all = VecDeque::new();
            for (by_host, slots) in slots {
                if by_host {
                    missed.record(slots);
                } else {
                    missed.record_others(slots);
                }
                all.extend(std::iter::repeat_n(by_host, slots.try_into().unwrap()));
                all.drain(..all.len().saturating_sub(size));
                let expected = all.iter().filter(|by_host| **by_host).count();
                prop_assert_eq!(missed.slots() as usize, expected);
            }
        }
    }
}
