//! The prober: targets in, events out.

use std::{
    future::Future,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    io,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tracing::error;

use crate::{
    Changes, Observer, Options, TargetSet,
    dial::Dialer,
    worker::{self, Order, Shared},
};

/// How long a runtime's blocked look-ups are waited for at the end.
const LOOKUP_PATIENCE: Duration = Duration::from_millis(100);

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
}

impl Prober {
    /// Begins to set a prober up.
    pub fn builder() -> Builder {
        Builder {
            observer: (),
            options: Options::default(),
            targets: TargetSet::default(),
            threads: NonZeroUsize::MIN,
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

    /// Starts probing on threads of its own.
    ///
    /// # Errors
    /// Where the system gives no thread, no event queue or no timer.
    pub fn start(self) -> io::Result<Handle> {
        let (targets, shared) = (self.targets, shared(self.observer, self.options));
        let workers = (0..self.threads.get()).map(|n| Worker::start(n, shared.clone()));
        let workers = workers.collect::<io::Result<_>>()?;
        let mut handle = Handle {
            targets: TargetSet::default(),
            workers,
        };
        let _ = handle.apply(targets);
        Ok(handle)
    }

    /// Probes inside the current runtime until `stop` is done; needs its I/O and
    /// time drivers. The lateness of slots is then also that of the other tasks.
    ///
    /// # Errors
    /// Where the system gives no timer.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (orders, received) = mpsc::unbounded_channel();
        for target in self.targets.iter() {
            // It is received as soon as the work begins.
            let _ = orders.send(Order::Add(target.clone()));
        }
        let work = worker::work(shared(self.observer, self.options), received);
        let stop = async move {
            stop.await;
            drop(orders);
            std::future::pending().await
        };
        tokio::select! {
            ended = work => ended,
            never = stop => never,
        }
    }
}

fn shared<O>(observer: O, options: Options) -> Arc<Shared<O>> {
    Arc::new(Shared {
        observer,
        dialer: Arc::new(Dialer::new(options)),
        epoch: Instant::now(),
        begun: AtomicU64::new(0),
    })
}

/// A prober at work on threads of its own. Dropping it stops it.
#[derive(Debug)]
pub struct Handle {
    targets: TargetSet,
    workers: Vec<Worker>,
}

impl Handle {
    /// Probes `new` from now on. Targets that are the same as before keep their
    /// session, connection and counts.
    pub fn apply(&mut self, new: TargetSet) -> Changes {
        let changes = self.targets.apply(new);
        for name in &changes.removed {
            self.worker(name).tell(Order::Remove(name.clone()));
        }
        for target in &changes.added {
            self.worker(target.name()).tell(Order::Add(target.clone()));
        }
        changes
    }

    /// What is probed.
    pub const fn targets(&self) -> &TargetSet {
        &self.targets
    }

    /// Stops probing, and waits until all of it has ended; at most a second.
    ///
    /// # Errors
    /// Where a thread had ended before, with the reason.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        let mut workers: Vec<_> = self.workers.drain(..).collect();
        // All are told before any is waited for.
        for worker in &mut workers {
            worker.orders = None;
        }
        let ended: Vec<_> = workers.into_iter().map(Worker::join).collect();
        ended.into_iter().collect()
    }

    /// Whose the target of this name is.
    fn worker(&self, name: &str) -> &Worker {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        let share = usize::try_from(hash % self.workers.len() as u64).unwrap_or(0);
        &self.workers[share]
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
struct Worker {
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Worker {
    fn start<O: Observer>(n: usize, shared: Arc<Shared<O>>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (orders, received) = mpsc::unbounded_channel();
        let thread = thread::Builder::new()
            .name(format!("prober-{n}"))
            .spawn(move || {
                let ended = runtime.block_on(worker::work(shared, received));
                runtime.shutdown_timeout(LOOKUP_PATIENCE);
                if let Err(error) = &ended {
                    error!(%error, "a prober's thread has ended");
                }
                ended
            })?;
        Ok(Self {
            orders: Some(orders),
            thread,
        })
    }

    fn tell(&self, order: Order) {
        // A worker that has ended has said so, and says it again when it is joined.
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    fn join(self) -> io::Result<()> {
        let panicked = |_| io::Error::other("a prober's thread panicked");
        self.thread.join().map_err(panicked)?
    }
}
