//! Handles to a prober that runs on threads of its own.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::watch;
use tracing::error;

use crate::{
    ApplyError, Changes, ProberError, StopError, TargetSet, active_targets::ActiveTargets,
};

/// How long [`Handle::stop`] waits for all threads together.
const STOP_TIMEOUT: Duration = Duration::from_millis(1500);

/// Controls a prober that runs on threads of its own. Clones control the same prober;
/// dropping the last one stops it.
///
/// A prober may also end by itself: when a [`Sensor`](crate::Sensor) panics, or when the
/// system takes a timer away. All of its threads then end. A program that relies on the
/// prober waits for [`closed`](Self::closed) beside its other work.
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_prober::{ApplyError, Prober, SessionConfig, Target, TargetSet};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prober = Prober::builder().start()?;
/// let watched = prober.clone();
/// let watcher = tokio::spawn(async move { watched.closed().await });
///
/// let session = SessionConfig::new(Duration::from_millis(100), Duration::from_millis(800))?;
/// let target = Target::new("127.0.0.1:4000".parse()?, session);
/// let changes = prober.apply(TargetSet::new([target])?)?;
/// assert_eq!(changes.added.len(), 1);
///
/// prober.close().await?;
/// watcher.await??;
/// let refused = prober.apply(TargetSet::default());
/// assert!(matches!(refused, Err(ApplyError::Stopped)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handle(Arc<Running>);

/// The threads of a prober. They are stopped when this is dropped.
#[derive(Debug)]
struct Running {
    active: ShutdownGuard,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Disconnected once every thread has ended.
    ended: Mutex<mpsc::Receiver<Infallible>>,
    /// Why the prober has ended by itself; closed once every thread has ended.
    failure: watch::Receiver<Option<ProberError>>,
}

/// What a thread holds until it has ended.
#[derive(Clone)]
pub(crate) struct Lifeline {
    active: Arc<Mutex<ActiveTargets>>,
    failure: watch::Sender<Option<ProberError>>,
    _running: mpsc::Sender<Infallible>,
}

impl Lifeline {
    /// The thread has ended. If it has failed, all others end too: what it probed is no
    /// longer probed, and nothing else would tell.
    pub(crate) fn end(self, ended: Result<(), ProberError>) {
        let Err(error) = ended else { return };
        error!(%error, "prober thread failed");
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert(error);
            is_first
        });
        lock(&self.active).end();
    }
}

/// The active targets, until this is dropped: other handles to them then find none.
#[derive(Debug)]
pub(crate) struct ShutdownGuard(Arc<Mutex<ActiveTargets>>);

impl ShutdownGuard {
    pub(crate) const fn new(active: Arc<Mutex<ActiveTargets>>) -> Self {
        Self(active)
    }

    pub(crate) fn end(&self) {
        lock(&self.0).end();
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handle {
    /// A handle without threads yet, and what each of them has to hold.
    pub(crate) fn new(active: ShutdownGuard) -> (Self, Lifeline) {
        let (running, ended) = mpsc::channel();
        let (failure, failed) = watch::channel(None);
        let lifeline = Lifeline {
            active: active.0.clone(),
            failure,
            _running: running,
        };
        let running = Running {
            active,
            threads: Mutex::default(),
            ended: Mutex::new(ended),
            failure: failed,
        };
        (Self(Arc::new(running)), lifeline)
    }

    /// Adds a thread, which holds a [`Lifeline`].
    pub(crate) fn push(&self, thread: JoinHandle<()>) {
        lock(&self.0.threads).push(thread);
    }

    /// Replaces the set of targets. Targets that are the same as before keep their
    /// session, connection and counts. Targets on demand ([`OnDemand`](crate::OnDemand))
    /// stay, unless `new` has a target of the same name: that one starts anew, as part of
    /// the set.
    ///
    /// Returns at once: the threads make the change while they go on probing. An
    /// overloaded thread spends half of its time on the change.
    ///
    /// # Errors
    /// [`ApplyError`] when the prober has ended; `new` is then dropped.
    pub fn apply(&self, new: TargetSet) -> Result<Changes, ApplyError> {
        let changes = lock(&self.0.active.0).apply(new);
        changes.ok_or_else(|| match self.0.failure() {
            Some(error) => ApplyError::Failed(error),
            None => ApplyError::Stopped,
        })
    }

    /// The current set of targets, without those on demand; empty once the prober has ended.
    pub fn targets(&self) -> TargetSet {
        lock(&self.0.active.0).set().clone()
    }

    /// Waits until the prober has ended. Works in any runtime.
    ///
    /// # Errors
    /// [`ProberError`] as soon as the prober has ended by itself. `Ok` means that it was
    /// stopped.
    pub async fn closed(&self) -> Result<(), ProberError> {
        let mut failure = self.0.failure.clone();
        let failed = failure.wait_for(Option::is_some).await;
        failed.map_or(Ok(()), |failed| failed.clone().map_or(Ok(()), Err))
    }

    /// Waits until every thread has ended, for whatever reason: no sensor is called any
    /// more, and all sockets are closed. Does not stop the prober. Works in any runtime.
    pub async fn wait_idle(&self) {
        let mut failure = self.0.failure.clone();
        while failure.changed().await.is_ok() {}
    }

    /// Stops probing, and waits until every thread has ended. Works in any runtime.
    ///
    /// The threads end within a second, unless a sensor hangs: then this does not resolve.
    /// Once it was polled the prober stops, even if the future is dropped.
    ///
    /// # Errors
    /// [`ProberError`] when the prober had ended by itself.
    pub async fn close(&self) -> Result<(), ProberError> {
        self.0.active.end();
        self.wait_idle().await;
        self.0.join();
        self.0.failure().map_or(Ok(()), Err)
    }

    /// Stops probing, and blocks until every thread has ended, for at most 1.5 seconds.
    ///
    /// # Errors
    /// [`StopError`] when the prober had ended by itself, or when a thread does not end.
    pub fn stop(&self) -> Result<(), StopError> {
        self.0.stop()
    }
}

impl Running {
    fn failure(&self) -> Option<ProberError> {
        self.failure.borrow().clone()
    }

    fn stop(&self) -> Result<(), StopError> {
        self.active.end();
        if lock(&self.ended).recv_timeout(STOP_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            return Err(StopError::Timeout);
        }
        self.join();
        self.failure()
            .map_or(Ok(()), |error| Err(StopError::Failed(error)))
    }

    /// Joins the threads, which have done all of their work.
    fn join(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // Panics are caught inside the thread.
            let _ = thread.join();
        }
    }

    /// Whether this is called by one of the prober's own threads.
    fn is_own_thread(&self) -> bool {
        let current = thread::current().id();
        let threads = lock(&self.threads);
        threads.iter().any(|one| one.thread().id() == current)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A sensor may hold the last handle; its thread can't wait for itself.
        if !self.is_own_thread() {
            // Nobody is left to report to.
            let _ = self.stop();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
