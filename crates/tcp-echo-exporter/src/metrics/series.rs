//! One target's numbers and labels.

use std::sync::Arc;

use super::{
    labels::Labels,
    layout::{self, Cell},
    seqlock::SeqLock,
};

/// One target as attached to an observer.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: Arc<str>,
    pub(crate) labels: Labels,
    /// The address as written.
    pub(crate) address: String,
    /// Whether the target was requested at `/probe` rather than listed.
    pub(crate) on_demand: bool,
    pub(crate) seqlock: Arc<SeqLock>,
}

impl Series {
    /// Returns whether a connection attempt succeeded or failed at least once, or was
    /// impossible for lack of resources.
    pub(crate) fn is_tried(&self) -> bool {
        let failures = layout::CONNECT_FAILURES..layout::DISCONNECTS;
        let mut tries = failures.chain([Cell::Connects as usize, layout::UNSENT_RESOURCES]);
        tries.any(|index| self.seqlock.peek(index) > 0)
    }
}
