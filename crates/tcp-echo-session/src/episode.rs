//! Episodes: outages with a start, an end and a cause.

use std::time::Instant;

use crate::Cause;

/// A time during which slots were lost, or replies were much later than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// When the first slot was due that was lost or late.
    pub began: Instant,
    /// When the first slot after it was due that was answered as usual; `None` while the episode
    /// lasts.
    pub ended: Option<Instant>,
    /// The cause, as far as it is known so far.
    pub cause: Cause,
    /// The slots lost in it so far.
    pub slots_lost: u64,
}
