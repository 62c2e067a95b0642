//! Targets.

use std::{collections::BTreeMap, sync::Arc};

use tcp_echo_session::SessionConfig;

use crate::{Address, Networks};

/// One target: a name, an address, and how it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    name: Arc<str>,
    /// Set if it is not the name.
    series_name: Option<Arc<str>>,
    address: Address,
    labels: BTreeMap<String, String>,
    session: SessionConfig,
    networks: Option<Networks>,
    on_demand: bool,
}

impl Target {
    /// A target whose name is its address as written.
    pub fn new(address: Address, session: SessionConfig) -> Self {
        Self {
            name: address.to_string().into(),
            series_name: None,
            address,
            labels: BTreeMap::new(),
            session,
            networks: None,
            on_demand: false,
        }
    }

    /// Sets the name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets another name for its series, shared with a target of other labels.
    #[must_use]
    pub fn with_series_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.series_name = Some(name.into());
        self
    }

    /// Adds a label, for metrics and reports.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(label.into(), value.into());
        self
    }

    /// Restricts connections to these networks, whatever its name resolves to.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.networks = Some(networks);
        self
    }

    /// Marks it as a target on demand, with connections restricted to these networks.
    #[must_use]
    pub(crate) fn on_demand(mut self, networks: Networks) -> Self {
        self.on_demand = true;
        self.within(networks)
    }

    /// The name, unique among a prober's targets.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name of its series, unique with its labels; the target's name by default.
    pub fn series_name(&self) -> &Arc<str> {
        self.series_name.as_ref().unwrap_or(&self.name)
    }

    /// The address.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The labels, without the name.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// How the target is probed.
    pub const fn session(&self) -> &SessionConfig {
        &self.session
    }

    /// Whether it is a target on demand ([`OnDemand::ask`](crate::OnDemand::ask)), and not one
    /// of a [`TargetSet`](crate::TargetSet).
    pub const fn is_on_demand(&self) -> bool {
        self.on_demand
    }

    /// The networks that connections are restricted to, if any.
    pub const fn networks(&self) -> Option<&Networks> {
        self.networks.as_ref()
    }
}
