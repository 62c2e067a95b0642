//! What the sequence lock is made of; a model checker puts its own in place of these.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

/// How often a reader tries again at once: a change takes nanoseconds.
const MAX_SPINS: u32 = 64;

/// Waits a moment before try number `attempts` of a read that fell into a change.
pub(crate) fn pause(attempts: u32) {
    if attempts < MAX_SPINS {
        std::hint::spin_loop();
    } else {
        // The writer was put aside in the middle of a change.
        std::thread::yield_now();
    }
}
