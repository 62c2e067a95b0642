//! The progress of a run.

use std::time::Duration;

/// The interval of updates.
pub(crate) const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a run towards its end.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "terminal"),
    expect(dead_code, reason = "nothing shows the progress")
)]
pub(crate) enum Progress {
    /// Slots, of a total.
    Slots(u64, u64),
    /// Time, of a total.
    Time(Duration, Duration),
    /// Slots, without a limit.
    Open(u64),
}
