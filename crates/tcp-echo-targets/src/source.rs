//! The source of targets.

#[cfg(feature = "discovery")]
use std::num::NonZeroUsize;
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use tcp_echo_net::LocalAddresses;
#[cfg(feature = "discovery")]
use tcp_echo_prober::IpVersion;
use tcp_echo_prober::{Networks, TargetSet};
#[cfg(feature = "discovery")]
use tcp_echo_resolve::Resolver;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tracing::{debug, error, info};

use crate::{
    Defaults, FilePattern, Handle, LoadError, Member, MemberRole, Mesh, Shard, Spec, Status,
    files::{Files, Loaded},
    handle::{Reply, Waiters},
    loader::Loader,
    mesh::Meshes,
    names::Names,
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
    /// Which lists are meshes; none by default, and none where only a shard is used. `targets` are
    /// members of none, except those that `dns+` and `srv+` names among them stand for.
    pub mesh: Option<Mesh>,
    /// How often files are checked; every two seconds by default, at least 10 ms.
    pub poll: Duration,
    /// How often names are looked up; every 30 seconds by default, at least 10 ms. A shorter
    /// TTL makes it sooner, but not below 5 seconds. A name that hangs backs off, up to 30
    /// seconds.
    #[cfg(feature = "discovery")]
    pub dns_refresh: Duration,
    /// How long a name keeps its targets after nameservers deny that it exists or has records;
    /// 5 minutes by default. Unless this is zero, it takes two such answers at least.
    #[cfg(feature = "discovery")]
    pub dns_stale: Duration,
    /// The resolver.
    #[cfg(feature = "discovery")]
    pub resolver: Resolver,
    /// Which addresses of a name are targets; all by default.
    #[cfg(feature = "discovery")]
    pub ip: IpVersion,
    /// The maximum of targets of one `dns+` or `srv+` name on the shard; 1,000 by default.
    #[cfg(feature = "discovery")]
    pub dns_max: NonZeroUsize,
    /// The networks that `dns+` and `srv+` names and targets of files may be in; any by
    /// default. Addresses in `targets` are exempt.
    pub discover_allow: Option<Networks>,
}

/// The minimum time between two checks of files or names.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The maximum of any duration, so that no sum of times overflows the clock.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Config {
    /// The default maximum of targets of one name.
    #[cfg(feature = "discovery")]
    pub const DNS_MAX: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

    /// A configuration without targets, with defaults.
    pub fn new(defaults: Defaults) -> Self {
        Self {
            targets: vec![],
            files: vec![],
            defaults,
            shard: Shard::ALL,
            mesh: None,
            poll: Duration::from_secs(2),
            #[cfg(feature = "discovery")]
            dns_refresh: Duration::from_secs(30),
            #[cfg(feature = "discovery")]
            dns_stale: Duration::from_secs(300),
            #[cfg(feature = "discovery")]
            resolver: Resolver::default(),
            #[cfg(feature = "discovery")]
            ip: IpVersion::Auto,
            #[cfg(feature = "discovery")]
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
    shard: Shard,
    mesh: Option<Mesh>,
    /// The addresses of this host, as the meshes were made with them.
    local: LocalAddresses,
    members: watch::Sender<Arc<[Member]>>,
    poll: Duration,
    loader: Loader,
    /// The errors of files that were logged last.
    logged_errors: BTreeSet<String>,
    names: Names,
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
        let sources = Sources::default();
        let names = Names::new(&config, sources.clone());
        let allow = config.discover_allow;
        let within = |spec: Spec| match (&allow, spec.endpoint().address()) {
            (None, _) | (_, Some(_)) => spec,
            (Some(networks), None) => spec.within(networks.clone()),
        };
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
        let (members, known) = watch::channel(Arc::default());
        let mut source = Self {
            specs: loaded.specs,
            current: TargetSet::default(),
            shard: config.shard,
            mesh: config.mesh.filter(|_| config.shard == Shard::ALL),
            local: LocalAddresses::default(),
            members,
            poll: config.poll.clamp(MIN_INTERVAL, MAX_DURATION),
            loader: Loader::new(files, follows),
            logged_errors: BTreeSet::new(),
            names,
            requests: received,
            status,
            handle: Handle::new(requests, seen, known, sources),
        };
        source.names.want(&source.specs);
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
        // `run` continues look-ups that are still in progress.
        let _ = timeout(FIRST_LOOKUP_TIMEOUT, self.names.look_up_all()).await;
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
                _ = polls.tick() => {
                    self.loader.poll();
                    if self.mesh.is_some() && self.local != LocalAddresses::read() {
                        self.apply(&mut apply);
                    }
                }
                Some(reply) = self.requests.recv() => {
                    self.names.begin_round();
                    self.loader.reload(reply);
                }
                (loaded, waiting) = self.loader.finished() => {
                    self.take(loaded, waiting, &mut apply);
                }
                changed = self.names.next() => {
                    found |= changed;
                    if found && self.names.is_idle() {
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
                self.names.want(&self.specs);
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
        if self.mesh.is_some() {
            self.local = LocalAddresses::read();
        }
        let mut meshes = Meshes::new(self.mesh.as_ref(), &self.local);
        let (mut targets, mut lists) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for spec in &self.specs {
            let name = spec.name();
            if let Some(address) = spec.endpoint().address()
                && self.shard.has(name)
            {
                let id = spec.identity();
                let target = spec.target(id.clone(), name.clone(), address.clone());
                match spec.list() {
                    None => _ = targets.insert(id.clone(), target),
                    Some(list) => lists.entry(list).or_default().push((id.clone(), target)),
                }
            }
        }
        for list in lists.into_values() {
            targets.extend(meshes.peers(list, |(_, target)| (target.name(), target.address())));
        }
        let (specs, current) = (&self.specs, &self.current);
        self.names.add_to(&mut targets, &mut meshes, specs, current);
        self.note_members(&meshes.into_members());
        // The names come from a map, so they are unique.
        TargetSet::new(targets.into_values()).unwrap_or_default()
    }

    /// Publishes the members of the meshes, and logs how many there are at first.
    fn note_members(&self, members: &Arc<[Member]>) {
        if *self.members.borrow() == *members {
            return;
        }
        let of = |role| members.iter().filter(|one| one.role == role).count();
        let (peers, is_listed) = (of(MemberRole::Peer), of(MemberRole::Own) > 0);
        let had_none = self.members.send_replace(members.clone()).is_empty();
        let members = members.len();
        if had_none {
            info!(members, peers, is_listed, "found a mesh");
        } else {
            debug!(members, peers, is_listed, "the mesh has changed");
        }
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
