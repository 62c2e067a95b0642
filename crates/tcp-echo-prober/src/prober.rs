//! The prober: targets in, events out.

use std::{
    future::Future,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::sync::mpsc;
use tracing::error;

use crate::{
    Changes, Observer, OnDemand, Options, Resolver, TargetSet,
    dial::Dialer,
    on_demand::Link,
    probed::Probed,
    worker::{self, Order, Shared},
};

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
        let shared = shared(self.observer, self.options, self.resolver);
        let workers = (0..self.threads.get()).map(|n| Worker::start(n, shared.clone()));
        let workers: Vec<_> = workers.collect::<io::Result<_>>()?;
        let (orders, workers) = workers.into_iter().unzip();
        let probed = begin(
            orders,
            self.targets,
            self.on_demand.as_ref(),
            &shared.dialer,
        );
        Ok(Handle { probed, workers })
    }

    /// Probes inside the current runtime until `stop` is done; needs its I/O and
    /// time drivers. The lateness of slots is then also that of the other tasks.
    ///
    /// # Errors
    /// Where the system gives no timer.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let shared = shared(self.observer, self.options, self.resolver);
        let (orders, received) = mpsc::unbounded_channel();
        let on_demand = self.on_demand.as_ref();
        let probed = begin(vec![orders], self.targets, on_demand, &shared.dialer);
        let work = worker::work(shared, received);
        let stop = async move {
            stop.await;
            probed.end();
            std::future::pending().await
        };
        tokio::select! {
            ended = work => ended,
            never = stop => never,
        }
    }
}

/// What is probed, and from now on also what is asked for.
fn begin(
    orders: Vec<mpsc::UnboundedSender<Order>>,
    targets: TargetSet,
    on_demand: Option<&OnDemand>,
    dialer: &Arc<Dialer>,
) -> Ending {
    let mut probed = Probed::new(orders);
    let _ = probed.apply(targets);
    let probed = Arc::new(Mutex::new(probed));
    if let Some(on_demand) = on_demand {
        on_demand.link(Link {
            probed: probed.clone(),
            dialer: dialer.clone(),
        });
    }
    Ending(probed)
}

fn shared<O>(observer: O, options: Options, resolver: Resolver) -> Arc<Shared<O>> {
    Arc::new(Shared {
        observer,
        dialer: Arc::new(Dialer::new(options, resolver)),
        epoch: Instant::now(),
        begun: AtomicU64::new(0),
    })
}

/// A prober at work on threads of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    probed: Ending,
    workers: Vec<Worker>,
}

/// What is probed, until this is dropped: whoever else has it then finds nothing.
#[derive(Debug)]
struct Ending(Arc<Mutex<Probed>>);

impl Ending {
    fn lock(&self) -> MutexGuard<'_, Probed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.lock().end();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handle {
    /// Probes `new` from now on. Targets that are the same as before keep their
    /// session, connection and counts. What was asked for ([`OnDemand`]) stays, unless
    /// `new` has a target of the name: that begins anew, as one of the set.
    pub fn apply(&mut self, new: TargetSet) -> Changes {
        self.probed.lock().apply(new)
    }

    /// What is probed, besides what was asked for.
    pub fn targets(&self) -> TargetSet {
        self.probed.lock().set().clone()
    }

    /// Stops probing, and waits until all of it has ended; at most a second.
    ///
    /// # Errors
    /// Where a thread had ended before, with the reason.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        // All are told before any is waited for.
        self.probed.end();
        let ended: Vec<_> = self.workers.drain(..).map(Worker::join).collect();
        ended.into_iter().collect()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.end();
    }
}

/// One thread with a runtime of its own.
#[derive(Debug)]
struct Worker(JoinHandle<io::Result<()>>);

impl Worker {
    /// Starts it; it works until the sender of its orders is dropped.
    fn start<O: Observer>(
        n: usize,
        shared: Arc<Shared<O>>,
    ) -> io::Result<(mpsc::UnboundedSender<Order>, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (orders, received) = mpsc::unbounded_channel();
        let thread = thread::Builder::new()
            .name(format!("prober-{n}"))
            .spawn(move || {
                let ended = runtime.block_on(worker::work(shared, received));
                if let Err(error) = &ended {
                    error!(%error, "a prober's thread has ended");
                }
                ended
            })?;
        Ok((orders, Self(thread)))
    }

    fn join(self) -> io::Result<()> {
        let panicked = |_| io::Error::other("a prober's thread panicked");
        self.0.join().map_err(panicked)?
    }
}
