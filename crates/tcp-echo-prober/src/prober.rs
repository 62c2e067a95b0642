//! Building and running a prober.

use std::{
    future::Future,
    io,
    num::NonZeroUsize,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread::{self, available_parallelism},
    time::Instant,
};

use tokio::runtime::Runtime;

use crate::{
    Coalesce, Handle, Observer, OnDemand, Options, Paths, ProberError, Resolver, SocketStats,
    TargetSet,
    active_targets::ActiveTargets,
    commands::Commands,
    dial::Dialer,
    error::message,
    handle::ShutdownGuard,
    on_demand::Link,
    timer::{Grid, Timer},
    worker::{self, Shared},
};

/// One thread probes this many targets without a visible delay.
const TARGETS_PER_THREAD: usize = 5_000;

/// Probes many targets continuously, and reports events to an [`Observer`].
///
/// [`start`](Builder::start) runs it on threads of its own, from any runtime or none.
/// [`run`](Builder::run) drives it inside the current runtime.
#[derive(Debug)]
pub struct Prober;

/// Configures a prober; see [`Prober::builder`].
#[derive(Debug)]
pub struct Builder<O = ()> {
    observer: O,
    options: Options,
    targets: TargetSet,
    threads: NonZeroUsize,
    coalesce: Coalesce,
    on_demand: Option<OnDemand>,
    resolver: Resolver,
    socket_stats: SocketStats,
    paths: Paths,
}

impl Prober {
    /// A builder with the defaults: no targets, one thread.
    pub fn builder() -> Builder {
        Builder {
            observer: (),
            options: Options::default(),
            targets: TargetSet::default(),
            threads: NonZeroUsize::MIN,
            coalesce: Coalesce::default(),
            on_demand: None,
            resolver: Resolver::default(),
            socket_stats: SocketStats::default(),
            paths: Paths::default(),
        }
    }
}

impl<O: Observer> Builder<O> {
    /// Sets the observer of all events. A pair of observers is an observer.
    #[must_use]
    pub fn observer<P: Observer>(self, observer: P) -> Builder<P> {
        Builder {
            observer,
            options: self.options,
            targets: self.targets,
            threads: self.threads,
            coalesce: self.coalesce,
            on_demand: self.on_demand,
            resolver: self.resolver,
            socket_stats: self.socket_stats,
            paths: self.paths,
        }
    }

    /// Sets how targets are reached.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets the initial targets.
    #[must_use]
    pub fn targets(mut self, targets: TargetSet) -> Self {
        self.targets = targets;
        self
    }

    /// Sets how many threads [`start`](Self::start) uses. One thread sends tens of thousands
    /// of probes per second.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how the threads of [`start`](Self::start) coalesce their wake-ups.
    #[must_use]
    pub fn coalesce(mut self, coalesce: Coalesce) -> Self {
        self.coalesce = coalesce;
        self
    }

    /// Sets how many threads [`start`](Self::start) uses to the number that this many targets
    /// need: one for each 5,000, up to the number of processors.
    #[must_use]
    pub fn threads_for(self, targets: usize) -> Self {
        let processors = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = NonZeroUsize::MIN.saturating_add(targets / TARGETS_PER_THREAD);
        self.threads(threads.min(processors))
    }

    /// Sets the resolver. Its limits and counts are shared with all other users of it.
    #[must_use]
    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Sets the counter of targets without a socket.
    #[must_use]
    pub fn socket_stats(mut self, stats: SocketStats) -> Self {
        self.socket_stats = stats;
        self
    }

    /// Sets where the prober puts what it learns of paths.
    #[must_use]
    pub fn paths(mut self, paths: Paths) -> Self {
        self.paths = paths;
        self
    }

    /// Enables targets on demand, besides those of the set.
    #[must_use]
    pub fn on_demand(mut self, on_demand: OnDemand) -> Self {
        self.on_demand = Some(on_demand);
        self
    }

    /// Starts probing on threads of its own.
    ///
    /// # Errors
    /// When the system refuses a thread, an event queue or a timer.
    pub fn start(self) -> io::Result<Handle> {
        let dialer = Dialer::new(self.options, self.resolver, self.socket_stats, self.paths);
        let shared = shared(self.observer, dialer);
        let runtimes = (0..self.threads.get()).map(|_| Own::new(self.coalesce));
        let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
        let commands: Vec<_> = runtimes.iter().map(|_| Arc::default()).collect();
        let on_demand = self.on_demand.as_ref();
        let active = begin(commands.clone(), self.targets, on_demand, &shared.dialer);
        // Dropped on an error, the handle ends the threads that were started.
        let (handle, lifeline) = Handle::new(active);
        for (n, ((runtime, timer), commands)) in runtimes.into_iter().zip(commands).enumerate() {
            let work = worker::work(shared.clone(), timer, commands);
            let lifeline = lifeline.clone();
            let thread = thread::Builder::new().name(format!("prober-{n}"));
            let thread = thread.spawn(move || {
                let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
                let ended = ended.map(|ended| ended.unwrap_or(Ok(())));
                let ended = ended.unwrap_or_else(|p| Err(ProberError::Thread(message(&*p))));
                // With the tasks that are left.
                drop(runtime);
                lifeline.end(ended);
            })?;
            handle.push(thread);
        }
        Ok(handle)
    }

    /// Probes inside the current runtime until `stop` resolves. Other tasks of the runtime can
    /// delay slots.
    ///
    /// # Errors
    /// When the system refuses a timer, and when a sensor panics.
    ///
    /// # Panics
    /// In a runtime without I/O or time enabled.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ProberError> {
        let dialer = Dialer::new(self.options, self.resolver, self.socket_stats, self.paths);
        let shared = shared(self.observer, dialer);
        let timer = Timer::new(Arc::new(Grid::new(Coalesce::Off))).map_err(ProberError::timer)?;
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

/// A runtime for one thread. Dropping it does not wait, which is allowed inside another
/// runtime, too: if one can't be started, the earlier ones are dropped there.
struct Own(Option<Runtime>);

impl Own {
    /// A runtime and its timer.
    fn new(coalesce: Coalesce) -> io::Result<(Self, Timer)> {
        let grid = Arc::new(Grid::new(coalesce));
        let parking = grid.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Before the thread waits for events.
            .on_thread_park(move || parking.sleep())
            .build()?;
        let own = Self(Some(runtime));
        let timer = own.enter(|| Timer::new(grid))?;
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

/// Starts with `targets`, and accepts targets on demand from now on.
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
    ShutdownGuard::new(active)
}

fn shared<O>(observer: O, dialer: Dialer) -> Arc<Shared<O>> {
    Arc::new(Shared {
        observer,
        dialer: Arc::new(dialer),
        epoch: Instant::now(),
        started: AtomicU64::new(0),
    })
}
