//! One target's numbers and labels.

use std::sync::{Arc, Mutex, PoisonError};

use tcp_echo_prober::Identity;

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
    /// Who the peer has said it is.
    pub(crate) peer: Mutex<Option<Arc<Identity>>>,
}

impl Series {
    /// Returns who the peer has said it is.
    pub(crate) fn peer(&self) -> Option<Arc<Identity>> {
        let peer = self.peer.lock().unwrap_or_else(PoisonError::into_inner);
        peer.clone()
    }

    pub(crate) fn set_peer(&self, identity: &Arc<Identity>) {
        let known = (!identity.is_unknown()).then(|| Arc::clone(identity));
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

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
