//! The clocks: read here, and nowhere below.

use std::time::{Instant, SystemTime};

use tcp_echo_session::{Time, UnixNanos};

/// This moment, by both clocks, in the order that [`Time`] asks for.
#[inline]
pub(crate) fn now() -> Time {
    let wall = wall();
    let at = Instant::now();
    Time { at, wall }
}

/// The realtime clock, in the range of the wire. A clock that is set before 1970
/// or after 2262 reads as the nearest end of what is left.
fn wall() -> UnixNanos {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixNanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}
