//! Entries of a list, before names are looked up.

use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
    time::Duration,
};

use tcp_echo_prober::{Address, ConfigError, Networks, SessionConfig, Target};

use crate::Endpoint;

/// An entry of a list: an endpoint, a name, and how it is probed.
///
/// It becomes one target, or as many as are found if its endpoint is a name with many addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    name: Arc<str>,
    endpoint: Endpoint,
    /// `None` without any.
    labels: Option<Arc<BTreeMap<String, String>>>,
    session: SessionConfig,
    flows: NonZeroU16,
    networks: Option<Networks>,
    /// Set if it is not the name.
    identity: Option<Arc<str>>,
    /// The number of the list that it is from; `None` if it was given directly.
    list: Option<u32>,
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl Spec {
    /// An entry whose name is its endpoint as written.
    pub fn new(endpoint: Endpoint, session: SessionConfig) -> Self {
        Self {
            name: endpoint.to_string().into(),
            endpoint,
            labels: None,
            session,
            flows: NonZeroU16::MIN,
            networks: None,
            identity: None,
            list: None,
        }
    }

    /// Sets the name of the target, or the prefix of the names if the endpoint is a name to look
    /// up.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the labels, for metrics and reports. All of its targets share them.
    #[must_use]
    pub fn with_labels(self, labels: BTreeMap<String, String>) -> Self {
        self.sharing_labels(Arc::new(labels))
    }

    /// Sets the labels, shared with other entries.
    pub(crate) fn sharing_labels(mut self, labels: Arc<BTreeMap<String, String>>) -> Self {
        self.labels = (!labels.is_empty()).then_some(labels);
        self
    }

    /// Sets how many flows probe each of its targets.
    #[must_use]
    pub fn with_flows(mut self, flows: NonZeroU16) -> Self {
        self.flows = flows;
        self
    }

    /// Restricts its targets to these networks: addresses outside become no targets, and names
    /// don't connect to them.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.networks = Some(networks);
        self
    }

    /// Sets an identity, if its name is shared with an entry of other labels.
    pub(crate) fn identified(mut self, identity: Arc<str>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the number of the list that it is from.
    pub(crate) const fn of_list(mut self, list: u32) -> Self {
        self.list = Some(list);
        self
    }

    /// The number of the list that it is from; `None` if it was given directly.
    pub(crate) const fn list(&self) -> Option<u32> {
        self.list
    }

    /// The unique identity in a list.
    pub(crate) fn identity(&self) -> &Arc<str> {
        self.identity.as_ref().unwrap_or(&self.name)
    }

    /// The name, unique with the labels in a list.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The endpoint.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The labels, without the name.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        self.labels.as_deref().unwrap_or(&NO_LABELS)
    }

    /// How its targets are probed.
    pub const fn session(&self) -> &SessionConfig {
        &self.session
    }

    /// How many flows probe each of its targets.
    pub const fn flows(&self) -> NonZeroU16 {
        self.flows
    }

    /// Whether a target may be at `address`. A host that needs a look-up may.
    #[cfg(feature = "discovery")]
    pub(crate) fn may_be_at(&self, address: &Address) -> bool {
        match (&self.networks, address.host()) {
            (Some(networks), Some(tcp_echo_prober::Host::Ip(ip))) => networks.contains(*ip),
            _ => true,
        }
    }

    /// The target at `address`. The names of target and series differ if another target has the
    /// name with other labels.
    pub(crate) fn target(&self, name: Arc<str>, series: Arc<str>, address: Address) -> Target {
        let target = Target::new(address, self.session.clone());
        let mut target = target.named(name).with_flows(self.flows);
        if self.identity.is_some() {
            target = target.with_series_name(series);
        }
        if let Some(networks) = &self.networks {
            target = target.within(networks.clone());
        }
        match &self.labels {
            Some(labels) => target.with_labels(labels.clone()),
            None => target,
        }
    }
}

/// Defaults for targets of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The time from one slot to the next.
    pub interval: Duration,
    /// How long a reply may take.
    pub timeout: Duration,
    /// The size of the loss window, in slots.
    pub window: NonZeroU32,
    /// The stall limit; `None` is three timeouts, at least 500 ms.
    pub stall: Option<Duration>,
    /// Whether the timeout follows the RTT, from `timeout` on.
    pub is_adaptive: bool,
    /// How many flows probe each target.
    pub flows: NonZeroU16,
}

/// Settings of a file for one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) window: Option<NonZeroU32>,
    pub(crate) flows: Option<NonZeroU16>,
}

impl Defaults {
    /// The configuration of a session.
    ///
    /// # Errors
    /// [`ConfigError`] as by [`SessionConfig::new`].
    pub fn session(&self) -> Result<SessionConfig, ConfigError> {
        let session = SessionConfig::new(self.interval, self.timeout)?.with_window(self.window);
        let session = match self.stall {
            Some(stall) => session.with_stall(stall)?,
            None => session,
        };
        if self.is_adaptive {
            session.with_adaptive_timeout()
        } else {
            Ok(session)
        }
    }

    pub(crate) fn session_but(&self, overrides: Overrides) -> Result<SessionConfig, ConfigError> {
        Self {
            interval: overrides.interval.unwrap_or(self.interval),
            timeout: overrides.timeout.unwrap_or(self.timeout),
            window: overrides.window.unwrap_or(self.window),
            ..*self
        }
        .session()
    }
}
