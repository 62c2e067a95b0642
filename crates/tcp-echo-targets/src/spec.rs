//! What a list says of a target, before names are looked up.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use tcp_echo_prober::{Address, ConfigError, Host, Networks, SessionConfig, Target};

use crate::Endpoint;

/// Reads a duration as the user writes it, or says why it is none, in words that end
/// a sentence such as `"5": a duration needs a unit`.
///
/// How durations are written is for the program to say, and the same everywhere in it.
pub type ParseDuration = fn(&str) -> Result<Duration, String>;

/// A line of a list: what is probed, how, and what it is called.
///
/// It becomes one target, or where its endpoint is a name to be looked up
/// ([`Endpoint::Dns`], [`Endpoint::Srv`]) as many as the name stands for at the
/// moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    name: Arc<str>,
    endpoint: Endpoint,
    labels: BTreeMap<String, String>,
    session: SessionConfig,
    networks: Option<Networks>,
    /// Where it is not the name.
    identity: Option<Arc<str>>,
}

impl Spec {
    /// What is named by its endpoint, as written.
    pub fn new(endpoint: Endpoint, session: SessionConfig) -> Self {
        Self {
            name: endpoint.to_string().into(),
            endpoint,
            labels: BTreeMap::new(),
            session,
            networks: None,
            identity: None,
        }
    }

    /// Gives it a name of its own: of the target, or where the endpoint is a name to
    /// be looked up, what the targets' names begin with.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Gives it labels, to be carried by whatever is told of its targets.
    #[must_use]
    pub fn with_labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.labels = labels;
        self
    }

    /// Lets its targets be within these networks alone, whatever it leads to: addresses
    /// found that are outside become no targets, and names connect to none of them.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.networks = Some(networks);
        self
    }

    /// Gives it an identity besides its name, which it shares with one of other labels.
    pub(crate) fn identified(mut self, identity: Arc<str>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// What tells it from all others of a list.
    pub(crate) fn identity(&self) -> &Arc<str> {
        self.identity.as_ref().unwrap_or(&self.name)
    }

    /// Its name. With its labels it is unique in a list.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its labels, besides its name.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// How it is probed.
    pub const fn session(&self) -> &SessionConfig {
        &self.session
    }

    /// Whether a target of it may be at `address`, as far as that can be said of a host
    /// that is not looked up.
    pub(crate) fn may_be_at(&self, address: &Address) -> bool {
        match (&self.networks, address.host()) {
            (Some(networks), Some(Host::Ip(ip))) => networks.contains(*ip),
            _ => true,
        }
    }

    /// The target at `address`: its name, and what its series are named. They differ where
    /// another has this name and other labels.
    pub(crate) fn target(&self, name: Arc<str>, series: Arc<str>, address: Address) -> Target {
        let mut target = Target::new(address, self.session.clone()).named(name);
        if self.identity.is_some() {
            target = target.with_series_name(series);
        }
        if let Some(networks) = &self.networks {
            target = target.within(networks.clone());
        }
        self.labels.iter().fold(target, |target, (label, value)| {
            target.with_label(label, value)
        })
    }
}

/// How targets are probed of which a file says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The time from one slot to the next.
    pub interval: Duration,
    /// How long a reply may take.
    pub timeout: Duration,
    /// Over how many slots the loss window slides.
    pub window: NonZeroU32,
    /// The stall limit; `None` is three timeouts, at least 500 ms.
    pub stall: Option<Duration>,
}

/// What a file says otherwise for one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) window: Option<NonZeroU32>,
}

impl Defaults {
    /// The configuration of a session.
    ///
    /// # Errors
    /// [`ConfigError`], as [`SessionConfig::new`] has it.
    pub fn session(&self) -> Result<SessionConfig, ConfigError> {
        let session = SessionConfig::new(self.interval, self.timeout)?.with_window(self.window);
        match self.stall {
            Some(stall) => session.with_stall(stall),
            None => Ok(session),
        }
    }

    pub(crate) fn session_but(&self, overrides: Overrides) -> Result<SessionConfig, ConfigError> {
        Self {
            interval: overrides.interval.unwrap_or(self.interval),
            timeout: overrides.timeout.unwrap_or(self.timeout),
            window: overrides.window.unwrap_or(self.window),
            stall: self.stall,
        }
        .session()
    }
}
