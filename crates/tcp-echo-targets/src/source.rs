//! The targets, kept up to date.

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
    Defaults, Endpoint, FilePattern, Handle, LoadError, ParseDuration, Shard, Spec, Status,
    discovery::{Discovery, Settings},
    expand::Expansion,
    files::{Files, Loaded},
    handle::{Order, Waiting},
    loader::Loader,
    sources::Sources,
};

/// While many names are looked up, their targets come in heaps of this distance.
const HEAP: Duration = Duration::from_millis(250);

/// How long all names together are waited for before anything is probed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where targets come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Targets that are always there, besides those of files.
    pub targets: Vec<Spec>,
    /// Targets files. Names with their labels are unique over all of them and `targets`.
    pub files: Vec<FilePattern>,
    /// How the targets of files are probed, unless they say otherwise.
    pub defaults: Defaults,
    /// How durations are written in files.
    pub parse_duration: ParseDuration,
    /// Which of all these targets are wanted; all by default.
    pub shard: Shard,
    /// How often files are looked at; two seconds by default, at least 10 ms.
    pub poll: Duration,
    /// How often names are looked up; 30 seconds by default, at least 10 ms. One whose
    /// records hold for a shorter time is looked up when that has passed, but no sooner
    /// than after 5 seconds; one that hangs, less and less often, up to every 30 seconds.
    pub dns_refresh: Duration,
    /// How long a name keeps its targets while nameservers say that it does not exist, or
    /// has no records; 5 minutes by default. They have to say so twice at least, where
    /// this is not zero.
    pub dns_stale: Duration,
    /// What looks names up.
    pub resolver: Resolver,
    /// Which addresses of a name are targets; all by default.
    pub ip: IpVersion,
    /// How many targets of one `dns+` or `srv+` name are taken, after the shard's choice;
    /// 1,000 by default.
    pub dns_max: NonZeroUsize,
    /// The networks to which `dns+` and `srv+` names, and what files list, may lead;
    /// any by default. Targets given without a file are the caller's own choice.
    pub discover_allow: Option<Networks>,
}

/// The shortest time between two looks at the files or at names.
const SHORTEST: Duration = Duration::from_millis(10);

/// The longest duration of any kind, so that no sum of moments comes near the end of the
/// clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Config {
    /// How many targets of one name are taken, by default.
    pub const DNS_MAX: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

    /// No targets yet, and everything else by default.
    pub fn new(defaults: Defaults, parse_duration: ParseDuration) -> Self {
        Self {
            targets: vec![],
            files: vec![],
            defaults,
            parse_duration,
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
/// them from then on, and a [`Handle`] tells how it goes meanwhile.
#[must_use]
pub struct Source {
    specs: Vec<Arc<Spec>>,
    current: TargetSet,
    expansion: Expansion,
    poll: Duration,
    loader: Loader,
    /// What was said last of files that can't be used.
    told: BTreeSet<String>,
    discovery: Discovery,
    orders: mpsc::Receiver<Order>,
    status: watch::Sender<Status>,
    handle: Handle,
}

impl Source {
    /// Reads the files for the first time. Names are not yet looked up. It blocks for
    /// as long as the files' reads do.
    ///
    /// Files that patterns match may come later: of those that can't be used now the log
    /// and [`Handle::status`] tell.
    ///
    /// # Errors
    /// [`LoadError`], where a file that is named by its path can't be used.
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
            config.parse_duration,
            allow,
            sources.clone(),
        );
        let loaded = files
            .load(true)
            .map_or_else(|| Ok(Loaded::default()), Loaded::whole)?;
        let (orders, received) = mpsc::channel(16);
        let (status, seen) = watch::channel(Status::succeeded());
        let settings = Settings {
            resolver: config.resolver,
            ip: config.ip,
            refresh: config.dns_refresh.clamp(SHORTEST, LONGEST),
            stale: config.dns_stale.min(LONGEST),
        };
        let mut source = Self {
            specs: loaded.specs,
            current: TargetSet::default(),
            expansion: Expansion::new(config.shard, config.dns_max),
            poll: config.poll.clamp(SHORTEST, LONGEST),
            loader: Loader::new(files, follows),
            told: BTreeSet::new(),
            discovery: Discovery::new(settings, sources.clone()),
            orders: received,
            status,
            handle: Handle::new(orders, seen, sources),
        };
        source.discovery.want(&source.specs);
        source.current = source.expanded();
        if !loaded.matched.is_empty() {
            // The status has it.
            let _ = source.note(loaded.matched, false);
        }
        Ok(source)
    }

    /// The targets as they are now.
    pub const fn targets(&self) -> &TargetSet {
        &self.current
    }

    /// What asks for reloads and tells how the last one went.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Looks up all names once and gives the targets then. What has not been looked up
    /// after five seconds stands for no target yet. It needs a runtime with time.
    pub async fn discover(&mut self) -> &TargetSet {
        self.discovery.begin_round();
        let all = async {
            while !self.discovery.is_round_over() {
                self.discovery.next().await;
            }
        };
        // What is still being asked then is not thrown away: `run` goes on with it.
        let _ = timeout(PATIENCE, all).await;
        self.current = self.expanded();
        &self.current
    }

    /// Follows files and names for as long as it is polled, and gives each new set of
    /// targets to `apply`. The first look-ups begin at once. Files are read and parsed
    /// on the runtime's threads for blocking work; `apply` is called within the task.
    ///
    /// It needs a runtime with time. Dropping it ends it.
    pub async fn run(mut self, mut apply: impl FnMut(TargetSet) + Send) -> Infallible {
        let now = Instant::now();
        let mut polls = interval_at(now + self.poll, self.poll);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut applied = now;
        let mut found = false;
        loop {
            tokio::select! {
                _ = polls.tick() => self.loader.poll(),
                Some(order) = self.orders.recv() => {
                    self.discovery.begin_round();
                    self.loader.reload(order);
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
                () = sleep_until(applied + HEAP), if found => {
                    (applied, found) = (Instant::now(), false);
                    self.apply(&mut apply);
                }
            }
        }
    }

    fn take(
        &mut self,
        loaded: Option<Loaded>,
        waiting: Waiting,
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

    /// Notes how a load went: what is new of its errors, or all where somebody has asked
    /// for it, goes to the log, and the first is its result.
    fn note(
        &mut self,
        errors: impl IntoIterator<Item = LoadError>,
        is_asked_for: bool,
    ) -> Result<(), Arc<LoadError>> {
        let mut first = None;
        let mut told = BTreeSet::new();
        for error in errors {
            let text = error.to_string();
            if is_asked_for || !self.told.contains(&text) {
                error!(
                    error = text,
                    "a targets file can't be used; what it listed before stays"
                );
            }
            told.insert(text);
            first.get_or_insert_with(|| Arc::new(error));
        }
        self.told = told;
        match first {
            None => {
                self.status.send_replace(Status::succeeded());
                info!(targets = self.current.len(), "the targets files are loaded");
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
            debug!("the targets are the same");
            return;
        }
        info!(
            targets = new.len(),
            added, removed, "the targets have changed"
        );
        apply(new);
    }
}
