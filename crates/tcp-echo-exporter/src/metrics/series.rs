//! One target's numbers and labels.

use std::sync::Arc;

use super::{
    flows::Flows,
    labels::Labels,
    layout::{self, Cell},
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
    pub(crate) flows: Flows,
}

impl Series {
    /// Returns whether a connection attempt of any flow succeeded or failed at least once, or
    /// was impossible for lack of resources.
    pub(crate) fn is_tried(&self) -> bool {
        let failures = layout::CONNECT_FAILURES..layout::DISCONNECTS;
        let mut tries = failures.chain([Cell::Connects as usize, layout::UNSENT_RESOURCES]);
        tries.any(|index| {
            let mut flows = self.flows.all().iter();
            flows.any(|flow| flow.peek(index) > 0)
        })
    }
}
