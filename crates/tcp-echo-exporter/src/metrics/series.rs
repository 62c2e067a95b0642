//! One target's numbers and what its series are labelled with.

use std::sync::Arc;

use super::{
    labels::Labels,
    layout::{self, Cell, Layout},
    seqlock::SeqLock,
};

/// What is known of one target.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: Arc<str>,
    pub(crate) labels: Labels,
    /// The address as written.
    pub(crate) address: String,
    /// Whether it was asked for, and not listed.
    pub(crate) on_demand: bool,
    pub(crate) seqlock: Arc<SeqLock>,
}

impl Series {
    /// How many numbers it has, with those of the native histogram or without.
    pub(crate) fn len(&self, layout: &Layout, native: bool) -> usize {
        if native {
            self.seqlock.len()
        } else {
            layout.native()
        }
    }

    /// Whether a connection to the target was made or failed at least once, or could
    /// not be attempted for want of resources.
    pub(crate) fn is_tried(&self) -> bool {
        let failures = layout::CONNECT_FAILURES..layout::DISCONNECTS;
        let mut tries = failures.chain([Cell::Connects as usize, layout::UNSENT_RESOURCES]);
        tries.any(|index| self.seqlock.peek(index) > 0)
    }
}
