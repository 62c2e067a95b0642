//! What is probed.

use std::{collections::BTreeMap, sync::Arc};

use tcp_echo_session::SessionConfig;

use crate::{Address, Networks};

/// One target: a name, an address, and how it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    name: Arc<str>,
    /// Where it is not the name.
    series_name: Option<Arc<str>>,
    address: Address,
    labels: BTreeMap<String, String>,
    session: SessionConfig,
    networks: Option<Networks>,
    on_demand: bool,
}

impl Target {
    /// A target that is named by its address, as written.
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

    /// Gives it a name of its own.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Names its series by another name, which it shares with a target of other labels.
    #[must_use]
    pub fn with_series_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.series_name = Some(name.into());
        self
    }

    /// Gives it a label, to be carried by whatever is told of it.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(label.into(), value.into());
        self
    }

    /// Lets connections be made within these networks alone, whatever its name leads to.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.networks = Some(networks);
        self
    }

    /// Marks it as one that was asked for, rather than listed by the one who runs the
    /// prober: connections are made within these networks alone.
    #[must_use]
    pub(crate) fn on_demand(mut self, networks: Networks) -> Self {
        self.on_demand = true;
        self.within(networks)
    }

    /// Its name; unique among a prober's targets.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What its series are named, which with its labels tells them from those of others:
    /// its name, if nothing else was said.
    pub fn series_name(&self) -> &Arc<str> {
        self.series_name.as_ref().unwrap_or(&self.name)
    }

    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its own labels, besides its name.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// How it is probed.
    pub const fn session(&self) -> &SessionConfig {
        &self.session
    }

    /// Whether it is probed because somebody asked for it
    /// ([`OnDemand::ask`](crate::OnDemand::ask)), and not as one of a [`TargetSet`](crate::TargetSet).
    pub const fn is_on_demand(&self) -> bool {
        self.on_demand
    }

    /// Where connections may be made to; anywhere without.
    pub const fn networks(&self) -> Option<&Networks> {
        self.networks.as_ref()
    }
}
