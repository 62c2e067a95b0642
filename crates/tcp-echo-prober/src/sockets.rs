//! The limit of open sockets, and the number of targets without one.

use std::{
    fmt::Display,
    future::Future,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tcp_echo_net::LogLimiter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

/// The limit of sockets that all attempts and connections of a prober share.
#[derive(Debug)]
pub(crate) struct Sockets {
    max: Option<NonZeroUsize>,
    /// `None` without a limit.
    free: Option<Arc<Semaphore>>,
    stats: SocketStats,
}

/// The permission to have one socket open. Drop it after the socket.
#[derive(Debug)]
pub(crate) struct Permit(#[expect(dead_code, reason = "it is held")] Option<OwnedSemaphorePermit>);

impl Sockets {
    pub(crate) fn new(max: Option<NonZeroUsize>, stats: SocketStats) -> Self {
        let permits = |max: NonZeroUsize| max.get().min(Semaphore::MAX_PERMITS);
        Self {
            max,
            free: max.map(|max| Arc::new(Semaphore::new(permits(max)))),
            stats,
        }
    }

    /// Takes a permit, if one is free that nobody waits for.
    pub(crate) fn try_permit(&self) -> Option<Permit> {
        let Some(free) = &self.free else {
            return Some(Permit(None));
        };
        Some(Permit(Some(free.clone().try_acquire_owned().ok()?)))
    }

    /// Waits for a permit, first come, first served.
    pub(crate) fn permit(&self) -> impl Future<Output = Permit> + Send + use<> {
        let free = self.free.clone();
        async move {
            match free {
                // It is never closed.
                Some(free) => Permit(free.acquire_owned().await.ok()),
                None => Permit(None),
            }
        }
    }

    /// Counts a target without a socket, since the limit is reached.
    pub(crate) fn limit_reached(&self) -> SocketShortage {
        let max = self.max.map_or(usize::MAX, NonZeroUsize::get);
        self.stats.begin(&format_args!("all {max} are in use"))
    }

    /// Counts a target without a socket, since the system refuses one.
    pub(crate) fn refused(&self, error: &dyn Display) -> SocketShortage {
        self.stats.begin(error)
    }
}

/// Counts the targets of a prober that lack a socket, for want of file descriptors or memory.
/// Clones share the count.
///
/// ```
/// use tcp_echo_prober::{Options, Prober, SocketStats};
///
/// let mut options = Options::default();
/// options.max_sockets = std::num::NonZeroUsize::new(768);
/// let stats = SocketStats::default();
/// let prober = Prober::builder()
///     .options(options)
///     .socket_stats(stats.clone())
///     .start()?;
/// assert_eq!(stats.targets_without_socket(), 0);
/// # prober.stop().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SocketStats(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    without: usize,
    /// Whether the log has a line about the current shortage.
    is_logged: bool,
    /// A shortage that comes and goes is one line per minute.
    log_limiter: LogLimiter,
}

impl SocketStats {
    /// How many targets currently wait for a socket. Their slots are
    /// [`UnsentReason::Resources`](crate::UnsentReason::Resources).
    pub fn targets_without_socket(&self) -> usize {
        self.lock().without
    }

    /// Tells the prober that the program has logged the shortage itself. The prober then logs
    /// only its end.
    pub fn shortage_was_logged(&self) {
        self.lock().is_logged = true;
    }

    fn begin(&self, reason: &dyn Display) -> SocketShortage {
        if self.lock().begin(Instant::now()) {
            warn!(
                %reason,
                "no socket for a target; its slots count as unsent, reason resources: \
                 raise the limit of open files, as with `ulimit -n` or LimitNOFILE"
            );
        }
        SocketShortage(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts one more target without a socket. Returns whether to log that.
    fn begin(&mut self, now: Instant) -> bool {
        self.without += 1;
        if self.is_logged || !self.log_limiter.allows(now) {
            return false;
        }
        self.is_logged = true;
        true
    }

    /// Counts one less. Returns whether to log that it was the last one.
    fn end(&mut self) -> bool {
        self.without -= 1;
        self.without == 0 && std::mem::take(&mut self.is_logged)
    }
}

/// A target without a socket, until this is dropped.
#[derive(Debug)]
pub(crate) struct SocketShortage(SocketStats);

impl Drop for SocketShortage {
    fn drop(&mut self) {
        if self.0.lock().end() {
            info!("every target has a socket again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_shortage_is_logged_when_it_begins_and_when_it_ends() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = State::default();
        assert!(state.begin(at(0)));
        assert!(!state.begin(at(0)), "once, not for each target");
        assert!(!state.end());
        assert!(state.end());

        assert!(!state.begin(at(59)), "it comes and goes");
        assert!(!state.end(), "and its begin was not logged");
        assert!(state.begin(at(60)));
        assert!(state.end());
    }

    #[test]
    fn a_shortage_that_was_logged_is_not_logged_again() {
        let stats = SocketStats::default();
        stats.shortage_was_logged();
        assert!(!stats.lock().begin(Instant::now()));
        assert!(stats.lock().end());
        assert!(stats.lock().begin(Instant::now()));
    }

    #[tokio::test]
    async fn a_permit_goes_to_who_waits_before_who_comes() {
        let sockets = Sockets::new(NonZeroUsize::new(1), SocketStats::default());
        let first = sockets.try_permit().unwrap();
        assert!(sockets.try_permit().is_none());
        let mut waiting = std::pin::pin!(sockets.permit());
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there was one more"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        assert!(sockets.try_permit().is_none(), "it has an owner already");
        drop(waiting.await);
        assert!(sockets.try_permit().is_some());
    }

    #[tokio::test]
    async fn without_a_limit_there_is_always_one() {
        let sockets = Sockets::new(None, SocketStats::default());
        let _permits: Vec<_> = (0..1000).map(|_| sockets.try_permit().unwrap()).collect();
        drop(sockets.permit().await);
        let huge = Sockets::new(Some(NonZeroUsize::MAX), SocketStats::default());
        assert!(huge.try_permit().is_some());
    }
}
