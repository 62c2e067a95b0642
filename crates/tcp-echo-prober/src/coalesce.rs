//! How the wake-ups of a thread are coalesced.

use std::time::Duration;

/// How the wake-ups of a prober's threads are coalesced.
///
/// A thread with a grid does not wake for each slot and each reply. It sleeps until the next
/// multiple of a window, then reads everything that has arrived and sends everything that is
/// due, which takes about half the processor time where slots are dense. Probes are sent up to
/// a window after their slots, and events are up to a window later. RTTs stay those of the
/// network: replies have the kernel's timestamps, and without these there is no grid.
///
/// The grid applies to the threads of [`Builder::start`](crate::Builder::start).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coalesce {
    /// A window of 1/20 of the shortest interval of the thread's targets, at most 1 ms, while
    /// the targets have at least two slots in a window on average; else no grid.
    #[default]
    Auto,
    /// No grid: the thread wakes for each slot and each reply.
    Off,
    /// This window, at most a quarter of the shortest interval of the thread's targets.
    Every(Duration),
}
