//! The resolver.

#[cfg(feature = "dns")]
use std::path::PathBuf;
use std::{
    collections::HashMap,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use tokio::{
    runtime::{Builder as RuntimeBuilder, Handle},
    sync::oneshot,
};

use crate::{
    Failure, IpVersion, Limits, LookUp, LookupStats, LookupType, Outcome,
    look_up::Waiters,
    permits::Permits,
    plain::{self, Plain},
    slow::Slow,
    system,
};

/// Threads for blocking calls beyond those that look-ups may have.
const SPARE_THREADS: usize = 8;

/// The stack of a blocking call, with room for the system's plug-ins.
const STACK: usize = 512 * 1024;

/// Looks names up, a limited number concurrently. Clones share everything.
///
/// It runs on a thread of its own, from the first look-up until the last clone is dropped, and
/// on further threads for blocking calls. So it works in any runtime or none, and delays
/// nothing there.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<Inner>);

/// Configures a [`Resolver`]; see [`Resolver::builder`].
#[derive(Debug, Default)]
pub struct Builder {
    limits: Limits,
    stats: Arc<LookupStats>,
    system: Option<System>,
    #[cfg(feature = "dns")]
    pub(crate) dns: crate::dns::Sources,
}

/// The function that calls the system's resolver.
#[derive(Clone)]
struct System(Arc<Ask>);

type Ask = dyn Fn(&str, IpVersion) -> Result<Vec<SocketAddr>, Failure> + Send + Sync;

#[derive(Debug)]
struct Inner {
    work: Arc<Work>,
    threads: usize,
    running: Mutex<Option<Running>>,
}

/// The resolver's thread. It ends when this is dropped.
#[derive(Debug)]
struct Running {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

/// Shared by all look-ups.
pub(crate) struct Work {
    pub(crate) permits: Permits,
    pub(crate) stats: Arc<LookupStats>,
    slow: Mutex<Slow<Query>>,
    plain: Mutex<HashMap<(String, IpVersion), Arc<Plain>>>,
    system: System,
    #[cfg(feature = "dns")]
    pub(crate) dns: crate::dns::Nameservers,
}

/// A query, as the key of names that hang.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) name: String,
    pub(crate) of: LookupType,
    pub(crate) ip: IpVersion,
}

impl Resolver {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The counts of its look-ups.
    pub fn stats(&self) -> &Arc<LookupStats> {
        &self.0.work.stats
    }

    /// Looks up the addresses of `name` by the system's resolver, with its list of hosts and
    /// other sources. They have port 0.
    ///
    /// Joins a look-up of the same name that is in progress. `is_urgent` means that there is
    /// no earlier answer: if both families together take long, each is then also asked for by
    /// itself, since some nameservers never answer for one of them.
    ///
    /// A name that has hung returns [`Failure::NoAnswer`] at once until its delay is over.
    pub fn look_up(&self, name: &str, ip: IpVersion, is_urgent: bool) -> LookUp<Vec<SocketAddr>> {
        let key = (name.to_owned(), ip);
        let mut plain = self.0.work.plain();
        if let Some(waiting) = plain.get(&key) {
            return waiting.join(is_urgent);
        }
        let waiting = Arc::new(Waiters::new());
        let look_up = waiting.join(is_urgent);
        plain.insert(key.clone(), waiting.clone());
        drop(plain);
        let begun = self.begin(&waiting.clone(), |work| {
            plain::run(work, key.clone(), waiting)
        });
        if !begun {
            self.0.work.plain().remove(&key);
        }
        look_up
    }

    /// Runs `work` on the thread. Returns false if that can't be started, after the waiters
    /// were notified.
    pub(crate) fn begin<T: Clone, F>(
        &self,
        waiting: &Waiters<T>,
        work: impl FnOnce(Arc<Work>) -> F,
    ) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self.0.handle() {
            Ok(handle) => {
                handle.spawn(work(self.0.work.clone()));
                true
            }
            Err(error) => {
                waiting.notify(Err(Failure::other(error)));
                false
            }
        }
    }
}

impl Default for Resolver {
    /// The system's configuration.
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Builder {
    /// Sets the limits of concurrent look-ups.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the counts, which several resolvers may share.
    #[must_use]
    pub fn stats(mut self, stats: Arc<LookupStats>) -> Self {
        self.stats = stats;
        self
    }

    /// Replaces the system's resolver. The function may block.
    #[must_use]
    pub fn system(
        mut self,
        ask: impl Fn(&str, IpVersion) -> Result<Vec<SocketAddr>, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.system = Some(System(Arc::new(ask)));
        self
    }

    /// Reads this file instead of the system's resolv.conf, and asks its nameservers at this
    /// port.
    #[cfg(feature = "dns")]
    #[must_use]
    pub fn resolv_conf(mut self, file: impl Into<PathBuf>, port: u16) -> Self {
        self.dns.resolv_conf = Some(file.into());
        self.dns.port = port;
        self
    }

    /// Reads this list of hosts instead of the system's, for look-ups by nameservers.
    #[cfg(feature = "dns")]
    #[must_use]
    pub fn hosts(mut self, file: impl Into<PathBuf>) -> Self {
        self.dns.hosts = file.into();
        self
    }

    /// Builds the resolver. Nothing runs before the first look-up.
    pub fn build(self) -> Resolver {
        let work = Work {
            permits: Permits::new(self.limits),
            stats: self.stats,
            slow: Mutex::new(Slow::new()),
            plain: Mutex::default(),
            system: self
                .system
                .unwrap_or_else(|| System(Arc::new(system::look_up))),
            #[cfg(feature = "dns")]
            dns: crate::dns::Nameservers::new(self.dns),
        };
        Resolver(Arc::new(Inner {
            work: Arc::new(work),
            threads: self.limits.all.saturating_add(SPARE_THREADS),
            running: Mutex::default(),
        }))
    }
}

impl Inner {
    /// The runtime of the thread, which is started if needed.
    fn handle(&self) -> io::Result<Handle> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.handle.clone());
        }
        let runtime = RuntimeBuilder::new_current_thread()
            .enable_all()
            .thread_name("look-up")
            .thread_stack_size(STACK)
            .max_blocking_threads(self.threads)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
                // Calls that hang are left to the operating system.
                runtime.shutdown_background();
            })?;
        *running = Some(Running {
            handle: handle.clone(),
            _stop: stop,
        });
        Ok(handle)
    }
}

impl Work {
    pub(crate) fn slow(&self) -> MutexGuard<'_, Slow<Query>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plain(&self) -> MutexGuard<'_, HashMap<(String, IpVersion), Arc<Plain>>> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the outcome of a look-up.
    pub(crate) fn note<T>(&self, query: Query, found: &Result<T, Failure>, started: Instant) {
        let (now, failure) = (Instant::now(), found.as_ref().err());
        let outcome = failure.map_or(Outcome::Ok, Failure::outcome);
        self.stats.record(query.of, outcome, now - started);
        let has_hung = matches!(failure, Some(Failure::NoAnswer));
        self.slow().ended(query, has_hung, now);
    }

    /// Calls the system's resolver, which blocks.
    pub(crate) fn ask(&self, name: &str, ip: IpVersion) -> Result<Vec<SocketAddr>, Failure> {
        (self.system.0)(name, ip)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}
