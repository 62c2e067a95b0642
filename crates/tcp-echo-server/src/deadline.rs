//! When a connection has to end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::{CloseReason, ServerConfig};

/// The timeouts of every connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    idle: Option<Duration>,
    slow_reader: Option<Duration>,
}

impl Timeouts {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let above_zero = |timeout: Option<Duration>| timeout.filter(|timeout| !timeout.is_zero());
        Self {
            idle: above_zero(config.idle_timeout),
            slow_reader: above_zero(config.slow_reader_timeout),
        }
    }
}

/// When one connection has to end, and why.
///
/// Its timer is not touched by traffic: that only notes the time, and the timer, when it fires, is
/// set again to what is left.
#[derive(Debug)]
pub(crate) struct Deadline {
    last_traffic: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer holds the task's waker. A spawned task has the same one all its life, and
    /// a turn is far shorter than what tokio lets a task do before its timers refuse to be polled.
    armed: bool,
}

impl Deadline {
    pub(crate) fn new() -> Self {
        Self {
            last_traffic: Instant::now(),
            timer: None,
            armed: false,
        }
    }

    pub(crate) fn on_traffic(&mut self, now: Instant) {
        self.last_traffic = now;
    }

    /// There is something that the peer has not taken.
    pub(crate) fn on_unsent(&mut self) {
        // The timer may have to fire sooner than it is set to.
        self.armed = false;
    }

    /// Resolves when it is time. What the peer has not taken waits for it since `unsent_since`.
    pub(crate) fn poll(
        &mut self,
        timeouts: &Timeouts,
        unsent_since: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<CloseReason> {
        if self.armed && self.timer.as_ref().is_some_and(|timer| !timer.is_elapsed()) {
            return Poll::Pending;
        }
        loop {
            let Some((due, reason)) = self.due(timeouts, unsent_since) else {
                return Poll::Pending;
            };
            if due <= Instant::now() {
                return Poll::Ready(reason);
            }
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            self.armed = true;
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// The earlier of the two ends.
    fn due(
        &self,
        timeouts: &Timeouts,
        unsent_since: Option<Instant>,
    ) -> Option<(Instant, CloseReason)> {
        let idle = timeouts
            .idle
            .map(|timeout| (self.last_traffic + timeout, CloseReason::Idle));
        let slow_reader = timeouts
            .slow_reader
            .zip(unsent_since)
            .map(|(timeout, since)| (since + timeout, CloseReason::SlowReader));
        // Of two at once it is the reader that is to blame.
        [slow_reader, idle]
            .into_iter()
            .flatten()
            .min_by_key(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Deadline, Timeouts};
    use crate::{CloseReason, ServerConfig};

    fn timeouts(idle: u64, slow_reader: u64) -> Timeouts {
        Timeouts::new(&ServerConfig {
            idle_timeout: Some(Duration::from_secs(idle)),
            slow_reader_timeout: Some(Duration::from_secs(slow_reader)),
            ..ServerConfig::default()
        })
    }

    /// Waits for the end, and returns how long it took and why it was.
    async fn end(
        deadline: &mut Deadline,
        timeouts: Timeouts,
        unsent_since: Option<Instant>,
    ) -> (Duration, CloseReason) {
        let start = Instant::now();
        let reason = poll_fn(|cx| deadline.poll(&timeouts, unsent_since, cx)).await;
        // A timer has the grain of a millisecond.
        (start.elapsed(), reason)
    }

    /// There is no end within so many seconds.
    async fn lasts(seconds: u64, end: impl Future) {
        let ended = tokio::time::timeout(Duration::from_secs(seconds), end).await;
        assert!(ended.is_err(), "it ended");
    }

    fn is_about((took, reason): (Duration, CloseReason), seconds: u64, why: CloseReason) {
        let over = took.checked_sub(Duration::from_secs(seconds));
        assert!(
            over.is_some_and(|over| over <= Duration::from_millis(2)) && reason == why,
            "{took:?}, {reason:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_defers_the_end() {
        let mut deadline = Deadline::new();
        lasts(9, end(&mut deadline, timeouts(10, 0), None)).await;
        deadline.on_traffic(Instant::now());
        is_about(
            end(&mut deadline, timeouts(10, 0), None).await,
            10,
            CloseReason::Idle,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_has_its_own_end_whatever_it_sends() {
        let mut deadline = Deadline::new();
        lasts(1, end(&mut deadline, timeouts(100, 10), None)).await;
        let since = Instant::now();
        deadline.on_traffic(since);
        deadline.on_unsent();
        lasts(4, end(&mut deadline, timeouts(100, 10), Some(since))).await;
        deadline.on_traffic(Instant::now());
        is_about(
            end(&mut deadline, timeouts(100, 10), Some(since)).await,
            6,
            CloseReason::SlowReader,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_timeouts_it_never_ends() {
        let mut deadline = Deadline::new();
        let since = Some(Instant::now());
        lasts(24 * 3600, end(&mut deadline, timeouts(0, 0), since)).await;
    }
}
