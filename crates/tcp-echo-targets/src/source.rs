//! The source of targets.

use std::{
    collections::BTreeSet, convert::Infallible, num::NonZeroUsize, sync::Arc, time::Duration,
};

use tcp_echo_prober::{IpVersion, Networks, TargetSet};
use tcp_echo_resolve::Resolver;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tracing::{debug, error, info};

use crate::{
    Defaults, Endpoint, FilePattern, Handle, LoadError, Shard, Spec, Status,
    discovery::{Discovery, Settings},
    expand::Expansion,
    files::{Files, Loaded},
    handle::{Reply, Waiters},
    loader::Loader,
    sources::Sources,
};

/// The interval of batches of targets while many names are looked up.
const BATCH_INTERVAL: Duration = Duration::from_millis(250);

/// How long the first look-ups of all names may take together.
const FIRST_LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Configures a [`Source`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Targets given directly, besides those of files.
    pub targets: Vec<Spec>,
    /// Targets files. Names with labels are unique over all files and `targets`.
    pub files: Vec<FilePattern>,
    /// Defaults for the targets of files.
    pub defaults: Defaults,
    /// The shard of the targets that is used; all by default.
    pub shard: Shard,
    /// How often files are checked; every two seconds by default, at least 10 ms.
    pub poll: Duration,
    /// How often names are looked up; every 30 seconds by default, at least 10 ms. A shorter
    /// TTL makes it sooner, but not below 5 seconds. A name that hangs backs off, up to 30
    /// seconds.
    pub dns_refresh: Duration,
    /// How long a name keeps its targets after nameservers deny that it exists or has records;
    /// 5 minutes by default. Unless this is zero, it takes two such answers at least.
    pub dns_stale: Duration,
    /// The resolver.
    pub resolver: Resolver,
    /// Which addresses of a name are targets; all by default.
    pub ip: IpVersion,
    /// The maximum of targets of one `dns+` or `srv+` name on the shard; 1,000 by default.
    pub dns_max: NonZeroUsize,
    /// The networks that `dns+` and `srv+` names and targets of files may be in; any by
    /// default. Addresses in `targets` are exempt.
    pub discover_allow: Option<Networks>,
}

/// The minimum time between two checks of files or names.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The maximum of any duration, so that no sum of times overflows the clock.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Config {
    /// The default maximum of targets of one name.
    pub const DNS_MAX: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

    /// A configuration without targets, with defaults.
    pub fn new(defaults: Defaults) -> Self {
        Self {
            targets: vec![],
            files: vec![],
            defaults,
            shard: Shard::ALL,
            poll: Duration::from_secs(2),
            dns_refresh: Duration::from_secs(30),
            dns_stale: Duration::from_secs(300),
            resolver: Resolver::default(),
            ip: IpVersion::Auto,
            dns_max: Self::DNS_MAX,
            discover_allow: None,
        }
    }
}

/// A list of targets that follows its files and names.
///
/// [`load`](Self::load) reads the files for the first time, [`run`](Self::run) follows
/// changes, and a [`Handle`] returns the status meanwhile.
#[must_use]
pub struct Source {
    specs: Vec<Arc<Spec>>,
    current: TargetSet,
    expansion: Expansion,
    poll: Duration,
    loader: Loader,
    /// The errors of files that were logged last.
    logged_errors: BTreeSet<String>,
    discovery: Discovery,
    requests: mpsc::Receiver<Reply>,
    status: watch::Sender<Status>,
    handle: Handle,
}

impl Source {
    /// Reads the files for the first time, without looking names up. Blocks while it reads.
    ///
    /// Errors of files that a pattern matches are logged and returned by [`Handle::status`].
    ///
    /// # Errors
    /// [`LoadError`] if a file that is named by its path can't be used.
    pub fn load(config: Config) -> Result<Self, LoadError> {
        let follows = !config.files.is_empty();
        let allow = config.discover_allow;
        let within = |spec: Spec| match (&allow, spec.endpoint()) {
            (None, _) | (_, Endpoint::Address(_)) => spec,
            (Some(networks), _) => spec.within(networks.clone()),
        };
        let sources = Sources::default();
        let mut files = Files::new(
            config.targets.into_iter().map(within).collect(),
            config.files,
            config.defaults,
            allow,
            sources.clone(),
        );
        let loaded = files
            .load(true)
            .map_or_else(|| Ok(Loaded::default()), Loaded::whole)?;
        let (requests, received) = mpsc::channel(16);
        let (status, seen) = watch::channel(Status::succeeded());
        let settings = Settings {
            resolver: config.resolver,
            ip: config.ip,
            refresh: config.dns_refresh.clamp(MIN_INTERVAL, MAX_DURATION),
            stale: config.dns_stale.min(MAX_DURATION),
        };
        let mut source = Self {
            specs: loaded.specs,
            current: TargetSet::default(),
            expansion: Expansion::new(config.shard, config.dns_max),
            poll: config.poll.clamp(MIN_INTERVAL, MAX_DURATION),
            loader: Loader::new(files, follows),
            logged_errors: BTreeSet::new(),
            discovery: Discovery::new(settings, sources.clone()),
            requests: received,
            status,
            handle: Handle::new(requests, seen, sources),
        };
        source.discovery.want(&source.specs);
        source.current = source.expanded();
        if !loaded.matched.is_empty() {
            // The error is in the status.
            let _ = source.note(loaded.matched, false);
        }
        Ok(source)
    }

    /// The current targets.
    pub const fn targets(&self) -> &TargetSet {
        &self.current
    }

    /// A handle to request reloads and to read the status.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Looks up all names once, and returns the targets. Names without an answer after five
    /// seconds have no targets yet. Needs a tokio runtime with time enabled.
    pub async fn discover(&mut self) -> &TargetSet {
        self.discovery.begin_round();
        let all = async {
            while !self.discovery.is_round_over() {
                self.discovery.next().await;
            }
        };
        // `run` continues look-ups that are still in progress.
        let _ = timeout(FIRST_LOOKUP_TIMEOUT, all).await;
        self.current = self.expanded();
        &self.current
    }

    /// Follows files and names for as long as it is polled, and passes each new set of targets
    /// to `apply`. The first look-ups start at once. Files are read and parsed on the runtime's
    /// threads for blocking work; `apply` is called within the task.
    ///
    /// Needs a tokio runtime with time enabled. Dropping the future ends it.
    pub async fn run(mut self, mut apply: impl FnMut(TargetSet) + Send) -> Infallible {
        let now = Instant::now();
        let mut polls = interval_at(now + self.poll, self.poll);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut applied = now;
        let mut found = false;
        loop {
            tokio::select! {
                _ = polls.tick() => self.loader.poll(),
                Some(reply) = self.requests.recv() => {
                    self.discovery.begin_round();
                    self.loader.reload(reply);
                }
                (loaded, waiting) = self.loader.finished() => {
                    self.take(loaded, waiting, &mut apply);
                }
                changed = self.discovery.next() => {
                    found |= changed;
                    if found && self.discovery.is_idle() {
                        (applied, found) = (Instant::now(), false);
                        self.apply(&mut apply);
                    }
                }
                () = sleep_until(applied + BATCH_INTERVAL), if found => {
                    (applied, found) = (Instant::now(), false);
                    self.apply(&mut apply);
                }
            }
        }
    }

    fn take(
        &mut self,
        loaded: Option<Loaded>,
        waiting: Waiters,
        apply: &mut impl FnMut(TargetSet),
    ) {
        let result = match loaded {
            None => Ok(()),
            Some(loaded) => {
                self.specs = loaded.specs;
                self.discovery.want(&self.specs);
                self.apply(apply);
                let errors = loaded.named.into_iter().chain(loaded.matched);
                self.note(errors, !waiting.is_empty())
            }
        };
        for waiting in waiting {
            // The caller may have gone.
            let _ = waiting.send(result.clone());
        }
    }

    /// Records the result of a load. Logs new errors, or all of them if the load was requested,
    /// and returns the first one.
    fn note(
        &mut self,
        errors: impl IntoIterator<Item = LoadError>,
        is_asked_for: bool,
    ) -> Result<(), Arc<LoadError>> {
        let mut first = None;
        let mut logged_errors = BTreeSet::new();
        for error in errors {
            let text = error.to_string();
            if is_asked_for || !self.logged_errors.contains(&text) {
                error!(
                    error = text,
                    "cannot use a targets file; keeping its last targets"
                );
            }
            logged_errors.insert(text);
            first.get_or_insert_with(|| Arc::new(error));
        }
        self.logged_errors = logged_errors;
        match first {
            None => {
                self.status.send_replace(Status::succeeded());
                info!(targets = self.current.len(), "loaded the targets files");
                Ok(())
            }
            Some(error) => {
                self.status
                    .send_modify(|status| status.failed(error.clone()));
                Err(error)
            }
        }
    }

    fn expanded(&mut self) -> TargetSet {
        let Self {
            expansion,
            specs,
            discovery,
            current,
            ..
        } = self;
        expansion.targets(specs, discovery, current)
    }

    fn apply(&mut self, apply: &mut impl FnMut(TargetSet)) {
        let new = self.expanded();
        let changes = self.current.apply(new.clone());
        let (added, removed) = (changes.added.len(), changes.removed.len());
        if added + removed == 0 {
            debug!("targets unchanged");
            return;
        }
        info!(targets = new.len(), added, removed, "targets changed");
        apply(new);
    }
}
