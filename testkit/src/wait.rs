//! Polls a condition until it holds or a time limit passes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls `poll` until it returns a value; returns the value and the time it took.
///
/// # Errors
///
/// If there is no value within `limit`; the message starts with `what`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut poll: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let wait = Wait::new(what, limit);
    loop {
        if let Some(found) = poll() {
            return Ok((found, wait.elapsed()));
        }
        wait.check()?;
        thread::sleep(PAUSE);
    }
}

/// Like [`until`], for asynchronous tests: it sleeps with tokio's timer.
///
/// # Errors
///
/// If there is no value within `limit`; the message starts with `what`.
#[cfg(feature = "tokio")]
pub async fn until_async<T>(
    what: &str,
    limit: Duration,
    mut poll: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let wait = Wait::new(what, limit);
    loop {
        if let Some(found) = poll() {
            return Ok((found, wait.elapsed()));
        }
        wait.check()?;
        tokio::time::sleep(PAUSE).await;
    }
}

struct Wait<'a> {
    what: &'a str,
    start: Instant,
    limit: Duration,
}

impl<'a> Wait<'a> {
    fn new(what: &'a str, limit: Duration) -> Self {
        Self {
            what,
            start: Instant::now(),
            limit,
        }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn check(&self) -> Result<()> {
        if self.elapsed() >= self.limit {
            bail!("{}: not within {} ms", self.what, self.limit.as_millis());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::until;

    #[test]
    fn polling_repeats_until_the_limit() {
        let mut polls = 0;
        let third = until("the third poll", Duration::from_secs(10), || {
            polls += 1;
            (polls == 3).then_some(polls)
        });
        assert_eq!(third.unwrap().0, 3);
        let never: anyhow::Result<((), _)> = until("nothing", Duration::from_millis(10), || None);
        let error = never.unwrap_err().to_string();
        assert_eq!(error, "nothing: not within 10 ms");
    }
}
