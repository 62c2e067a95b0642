//! Waiting for something to become true, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `look` gives something, and returns it and how long that took.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok((found, start.elapsed()));
        }
        if start.elapsed() >= limit {
            bail!("{what}: not within {} ms", limit.as_millis());
        }
        thread::sleep(PAUSE);
    }
}
