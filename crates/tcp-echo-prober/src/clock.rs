//! The clocks, read here and nowhere below.

use std::time::{Instant, SystemTime};

use tcp_echo_session::{Time, UnixNanos};

/// The current time by both clocks, read in the order that [`Time`] requires.
#[inline]
pub(crate) fn now() -> Time {
    let wall = wall();
    let at = Instant::now();
    Time { at, wall }
}

/// The realtime clock, clamped to the years 1970 to 2262, the range of the wire.
fn wall() -> UnixNanos {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixNanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}
