//! The prober: targets in, events out.

use std::{
    future::Future,
    io,
    num::NonZeroUsize,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, mpsc::Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, sync::watch};
use tracing::error;

use crate::{
    Changes, Observer, OnDemand, Options, ProberError, Resolver, SocketStats, TargetSet,
    active_targets::ActiveTargets,
    commands::Commands,
    dial::Dialer,
    error::message,
    on_demand::Link,
    timer::Timer,
    worker::{self, Shared},
};

/// How long all threads together are waited for at the end.
const STOP_PATIENCE: Duration = Duration::from_millis(1500);

/// Probes many targets continuously, and tells an [`Observer`] what happens.
///
/// [`start`](Builder::start) gives it threads of its own, from any runtime or none;
/// [`run`](Builder::run) drives it inside the runtime it is called in.
#[derive(Debug)]
pub struct Prober;

/// What a prober is made of; see [`Prober::builder`].
#[derive(Debug)]
pub struct Builder<O = ()> {
    observer: O,
    options: Options,
    targets: TargetSet,
    threads: NonZeroUsize,
    on_demand: Option<OnDemand>,
    resolver: Resolver,
    socket_stats: SocketStats,
}

impl Prober {
    /// Begins to set a prober up.
    pub fn builder() -> Builder {
        Builder {
            observer: (),
            options: Options::default(),
            targets: TargetSet::default(),
            threads: NonZeroUsize::MIN,
            on_demand: None,
            resolver: Resolver::default(),
            socket_stats: SocketStats::default(),
        }
    }
}

impl<O: Observer> Builder<O> {
    /// Sets who is told of what happens; a pair listens side by side.
    #[must_use]
    pub fn observer<P: Observer>(self, observer: P) -> Builder<P> {
        Builder {
            observer,
            options: self.options,
            targets: self.targets,
            threads: self.threads,
            on_demand: self.on_demand,
            resolver: self.resolver,
            socket_stats: self.socket_stats,
        }
    }

    /// Sets how targets are reached.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets what is probed at first.
    #[must_use]
    pub fn targets(mut self, targets: TargetSet) -> Self {
        self.targets = targets;
        self
    }

    /// Sets how many threads [`start`](Self::start) uses; one probes tens of
    /// thousands of times a second.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets what looks names up. What others look up with the same one is bounded and
    /// counted together.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets what counts the targets without a socket.
    #[must_use]
    pub fn socket_stats(mut self, stats: SocketStats) -> Self {
        self.socket_stats = stats;
        self
    }

    /// Lets targets be asked for, besides those of the set.
    #[must_use]
    pub fn on_demand(mut self, on_demand: OnDemand) -> Self {
        self.on_demand = Some(on_demand);
        self
    }

    /// Starts probing on threads of its own.
    ///
    /// # Errors
    /// Where the system gives no thread, no event queue or no timer.
    pub fn start(self) -> io::Result<Handle> {
        let dialer = Dialer::new(self.options, self.resolver, self.socket_stats);
        let shared = shared(self.observer, dialer);
        let runtimes = (0..self.threads.get()).map(|_| Own::new());
        let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
        let commands: Vec<_> = runtimes.iter().map(|_| Arc::default()).collect();
        let (results, ended) = std::sync::mpsc::channel();
        // It ends what was started where something can't be.
        let handle = Handle {
            active: begin(
                commands.clone(),
                self.targets,
                self.on_demand.as_ref(),
                &shared.dialer,
            ),
            threads: Mutex::new(Threads {
                running: Vec::new(),
                ended,
            }),
            failure: watch::Sender::new(None),
        };
        for (n, ((runtime, timer), commands)) in runtimes.into_iter().zip(commands).enumerate() {
            let work = worker::work(shared.clone(), timer, commands);
            let (failure, results) = (handle.failure.clone(), results.clone());
            let thread = thread::Builder::new().name(format!("prober-{n}"));
            let thread = thread.spawn(move || {
                let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
                let ended = ended.map(|ended| ended.unwrap_or(Ok(())));
                let ended = ended.unwrap_or_else(|p| Err(ProberError::Thread(message(&*p))));
                // With what is left of the tasks.
                drop(runtime);
                if let Err(error) = &ended {
                    error!(%error, "a prober's thread has ended");
                    failure.send_replace(Some(error.clone()));
                }
                // Who waits for it may have given up.
                let _ = results.send(ended);
            })?;
            handle.threads().running.push(thread);
        }
        Ok(handle)
    }

    /// Probes inside the current runtime until `stop` is done; needs its I/O and
    /// time drivers. The lateness of slots is then also that of the other tasks.
    ///
    /// # Errors
    /// Where the system gives no timer, and where a sensor panics.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ProberError> {
        let dialer = Dialer::new(self.options, self.resolver, self.socket_stats);
        let shared = shared(self.observer, dialer);
        let timer = Timer::new().map_err(ProberError::timer)?;
        let commands = Arc::<Commands>::default();
        let on_demand = self.on_demand.as_ref();
        let active = begin(
            vec![commands.clone()],
            self.targets,
            on_demand,
            &shared.dialer,
        );
        let work = worker::work(shared, timer, commands);
        let stop = async move {
            stop.await;
            active.end();
            std::future::pending().await
        };
        tokio::select! {
            ended = work => ended,
            never = stop => never,
        }
    }
}

/// A runtime for one thread. It is dropped without waiting, which is allowed inside
/// another runtime too: where one can't be started, those before it end there.
struct Own(Option<Runtime>);

impl Own {
    /// With its timer.
    fn new() -> io::Result<(Self, Timer)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let own = Self(Some(runtime));
        let timer = own.enter(Timer::new)?;
        Ok((own, timer))
    }

    fn enter<T>(&self, inside: impl FnOnce() -> T) -> T {
        let _context = self.0.as_ref().map(Runtime::enter);
        inside()
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        Some(self.0.as_ref()?.block_on(future))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What is probed, and from now on also what is asked for.
fn begin(
    commands: Vec<Arc<Commands>>,
    targets: TargetSet,
    on_demand: Option<&OnDemand>,
    dialer: &Arc<Dialer>,
) -> ShutdownGuard {
    let mut active = ActiveTargets::new(commands);
    let _ = active.apply(targets);
    let active = Arc::new(Mutex::new(active));
    if let Some(on_demand) = on_demand {
        on_demand.link(Link {
            active: active.clone(),
            dialer: dialer.clone(),
        });
    }
    ShutdownGuard(active)
}

fn shared<O>(observer: O, dialer: Dialer) -> Arc<Shared<O>> {
    Arc::new(Shared {
        observer,
        dialer: Arc::new(dialer),
        epoch: Instant::now(),
        begun: AtomicU64::new(0),
    })
}

/// A prober at work on threads of its own. Dropping it stops it.
///
/// A thread of it may end by itself: where a [`Sensor`](crate::Sensor) panics, and where
/// the system takes its timer away. Its targets are then no longer probed, and the
/// program that relies on them should know: wait for [`ended`](Self::ended) beside
/// whatever else it waits for.
#[derive(Debug)]
pub struct Handle {
    active: ShutdownGuard,
    threads: Mutex<Threads>,
    /// Why the last one of the threads that ended by themselves did.
    failure: watch::Sender<Option<ProberError>>,
}

#[derive(Debug)]
struct Threads {
    running: Vec<JoinHandle<()>>,
    /// How each has ended.
    ended: Receiver<Result<(), ProberError>>,
}

/// The active targets, until this is dropped: other handles to them then find none.
#[derive(Debug)]
struct ShutdownGuard(Arc<Mutex<ActiveTargets>>);

impl ShutdownGuard {
    fn lock(&self) -> MutexGuard<'_, ActiveTargets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.lock().end();
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handle {
    /// Probes `new` from now on. Targets that are the same as before keep their
    /// session, connection and counts. What was asked for ([`OnDemand`]) stays, unless
    /// `new` has a target of the name: that begins anew, as one of the set.
    ///
    /// It waits for nothing: the threads make the change while they go on probing, and
    /// one that has more to probe than it can gives the change half of its time.
    pub fn apply(&self, new: TargetSet) -> Changes {
        self.active.lock().apply(new)
    }

    /// What is probed, besides what was asked for.
    pub fn targets(&self) -> TargetSet {
        self.active.lock().set().clone()
    }

    /// Waits until a thread has ended without having been told to, and gives the
    /// reason; for ever where none does. It needs no runtime.
    pub async fn ended(&self) -> ProberError {
        let mut failure = self.failure.subscribe();
        let seen = failure.wait_for(Option::is_some).await;
        match seen.ok().and_then(|failure| failure.clone()) {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops probing, and waits until all of it has ended, for a second and a half at
    /// most. Later calls do nothing.
    ///
    /// # Errors
    /// Where a thread had ended before, with the reason, or does not end.
    pub fn stop(&self) -> Result<(), ProberError> {
        // All are told before any is waited for.
        self.active.end();
        let mut threads = self.threads();
        let running = std::mem::take(&mut threads.running);
        let deadline = Instant::now() + STOP_PATIENCE;
        let mut outcome = Ok(());
        for _ in &running {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = threads.ended.recv_timeout(left);
            outcome = outcome.and(ended.unwrap_or(Err(ProberError::Hangs)));
        }
        if !matches!(outcome, Err(ProberError::Hangs)) {
            for thread in running {
                // What it had to say it has said.
                let _ = thread.join();
            }
        }
        outcome
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.stop();
    }
}
