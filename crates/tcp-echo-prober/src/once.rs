//! Saying something once.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something was said already.
#[derive(Debug, Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    /// True the first time.
    pub(crate) fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
