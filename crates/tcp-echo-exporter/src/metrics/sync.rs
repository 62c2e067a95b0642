//! The primitives of the sequence lock. The model checker replaces this module by its own.

pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicU8, AtomicU64, Ordering, fence},
};

/// The number of retries without yielding: a change takes nanoseconds.
const MAX_SPINS: u32 = 64;

/// Waits briefly before a read is retried that overlapped a change.
pub(crate) fn pause(attempts: u32) {
    if attempts < MAX_SPINS {
        std::hint::spin_loop();
    } else {
        // The writer was preempted during a change.
        std::thread::yield_now();
    }
}
