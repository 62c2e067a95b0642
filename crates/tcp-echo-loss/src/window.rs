//! A ring of bits, with the number of set ones.

use alloc::{boxed::Box, vec};
use core::num::NonZeroU32;

/// The outcome of one slot of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The reply arrived within the timeout.
    Received,
    /// It did not, or the slot was unsent.
    Lost,
}

const BITS: u32 = u64::BITS;

/// The outcomes of the last slots; see the [crate's overview](crate).
///
/// It takes one bit per slot, rounded up to eight bytes, allocated once.
#[derive(Clone, Debug)]
pub struct LossWindow {
    /// Bit *i* of the ring is bit *i* mod 64 of word *i* / 64; set where lost.
    /// Bits that hold no outcome yet are 0.
    ring: Box<[u64]>,
    size: u32,
    /// The number of outcomes, at most `size`.
    len: u32,
    /// The number of losses.
    lost: u32,
    /// The position of the next outcome.
    next: u32,
}

impl LossWindow {
    /// An empty window over `size` slots.
    #[must_use]
    pub fn new(size: NonZeroU32) -> Self {
        let size = size.get();
        Self {
            ring: vec![0; size.div_ceil(BITS) as usize].into_boxed_slice(),
            size,
            len: 0,
            lost: 0,
            next: 0,
        }
    }

    /// Records the outcome of one slot. It replaces the oldest one in a full window.
    #[inline]
    pub fn record(&mut self, outcome: Outcome) {
        let bit = 1 << (self.next % BITS);
        let word = &mut self.ring[(self.next / BITS) as usize];
        // A bit without an outcome is 0, so a window that is not full loses nothing here.
        self.lost -= u32::from(*word & bit != 0);
        match outcome {
            Outcome::Received => *word &= !bit,
            Outcome::Lost => {
                *word |= bit;
                self.lost += 1;
            }
        }
        self.next = if self.next + 1 == self.size {
            0
        } else {
            self.next + 1
        };
        self.len += u32::from(self.len < self.size);
    }

    /// Records `slots` losses at once, as after a long pause of the host. The cost is at most
    /// that of one full window.
    pub fn record_lost(&mut self, slots: u64) {
        if slots < u64::from(self.size) {
            for _ in 0..slots {
                self.record(Outcome::Lost);
            }
        } else {
            self.ring.fill(u64::MAX);
            let spare = self.size % BITS;
            if let (Some(last), 1..) = (self.ring.last_mut(), spare) {
                *last = (1 << spare) - 1;
            }
            self.len = self.size;
            self.lost = self.size;
            self.next = 0;
        }
    }

    /// The size of the window, in slots.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The number of outcomes, at most [`size`](Self::size).
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no outcome was recorded yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of losses in the window.
    #[must_use]
    pub const fn lost(&self) -> u32 {
        self.lost
    }

    /// The ratio of losses to outcomes, from 0 to 1; 0 while the window is empty.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match self.len {
            0 => 0.0,
            len => f64::from(self.lost) / f64::from(len),
        }
    }
}
