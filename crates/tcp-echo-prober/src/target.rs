//! What is probed.

use std::{collections::BTreeMap, sync::Arc};

use tcp_echo_session::SessionConfig;

use crate::Address;

/// One target: a name, an address, and how it is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    name: Arc<str>,
    address: Address,
    labels: BTreeMap<String, String>,
    session: SessionConfig,
}

impl Target {
    /// A target that is named by its address, as written.
    pub fn new(address: Address, session: SessionConfig) -> Self {
        Self {
            name: address.to_string().into(),
            address,
            labels: BTreeMap::new(),
            session,
        }
    }

    /// Gives it a name of its own.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Gives it a label, to be carried by whatever is told of it.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(label.into(), value.into());
        self
    }

    /// Its name; unique among a prober's targets.
    pub fn name(&self) -> &Arc<str> {
        &self.name
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
}
