//! Waiting for something to become true, with a limit.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `look` returns a value; returns it and how long that took.
///
/// # Errors
///
/// If there is none within `limit`; the message names `what`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let wait = Wait::new(what, limit);
    loop {
        if let Some(found) = look() {
            return Ok((found, wait.elapsed()));
        }
        wait.check()?;
        thread::sleep(PAUSE);
    }
}

/// The same in an asynchronous test, which sleeps by tokio's timer.
///
/// # Errors
///
/// If there is no value within `limit`; the message names `what`.
#[cfg(feature = "tokio")]
pub async fn until_async<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let wait = Wait::new(what, limit);
    loop {
        if let Some(found) = look() {
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
    fn it_looks_again_and_gives_up() {
        let mut looks = 0;
        let third = until("the third look", Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(third.unwrap().0, 3);
        let never: anyhow::Result<((), _)> = until("nothing", Duration::from_millis(10), || None);
        let error = never.unwrap_err().to_string();
        assert_eq!(error, "nothing: not within 10 ms");
    }
}
