//! Targets.

use std::{collections::BTreeMap, num::NonZeroU16, sync::Arc};

use tcp_echo_session::SessionConfig;

use crate::{Address, Networks};

/// One target: a name, an address, and how it is probed. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Arc<Fields>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    name: Arc<str>,
    /// Set if it is not the name.
    series_name: Option<Arc<str>>,
    address: Address,
    /// `None` without any.
    labels: Option<Arc<BTreeMap<String, String>>>,
    session: SessionConfig,
    networks: Option<Networks>,
    on_demand: bool,
    flows: NonZeroU16,
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl Target {
    /// A target whose name is its address as written.
    pub fn new(address: Address, session: SessionConfig) -> Self {
        Self(Arc::new(Fields {
            name: address.written().clone(),
            series_name: None,
            address,
            labels: None,
            session,
            networks: None,
            on_demand: false,
            flows: NonZeroU16::MIN,
        }))
    }

    /// Sets the name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.fields().name = name.into();
        self
    }

    /// Sets another name for its series, shared with a target of other labels.
    #[must_use]
    pub fn with_series_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.fields().series_name = Some(name.into());
        self
    }

    /// Adds a label, for metrics and reports.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        let labels = Arc::make_mut(self.fields().labels.get_or_insert_default());
        labels.insert(label.into(), value.into());
        self
    }

    /// Replaces all labels. Targets that are given the same map share it.
    #[must_use]
    pub fn with_labels(mut self, labels: Arc<BTreeMap<String, String>>) -> Self {
        self.fields().labels = (!labels.is_empty()).then_some(labels);
        self
    }

    /// Sets how many flows probe it: connections from different source ports, each with its own
    /// schedule of the same interval. Where a network has several paths of equal cost, each flow
    /// follows one of them.
    #[must_use]
    pub fn with_flows(mut self, flows: NonZeroU16) -> Self {
        self.fields().flows = flows;
        self
    }

    /// Restricts connections to these networks, whatever its name resolves to.
    #[must_use]
    pub fn within(mut self, networks: Networks) -> Self {
        self.fields().networks = Some(networks);
        self
    }

    /// Marks it as a target on demand, with connections restricted to these networks.
    #[must_use]
    pub(crate) fn on_demand(mut self, networks: Networks) -> Self {
        self.fields().on_demand = true;
        self.within(networks)
    }

    /// The fields, copied first if they are shared.
    fn fields(&mut self) -> &mut Fields {
        Arc::make_mut(&mut self.0)
    }

    /// The name, unique among a prober's targets.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The name of its series, unique with its labels; the target's name by default.
    pub fn series_name(&self) -> &Arc<str> {
        self.0.series_name.as_ref().unwrap_or(&self.0.name)
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The labels, without the name.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        self.0.labels.as_deref().unwrap_or(&NO_LABELS)
    }

    /// How the target is probed.
    pub fn session(&self) -> &SessionConfig {
        &self.0.session
    }

    /// How many flows probe it.
    pub fn flows(&self) -> NonZeroU16 {
        self.0.flows
    }

    /// Whether it is a target on demand ([`OnDemand::ask`](crate::OnDemand::ask)), and not one
    /// of a [`TargetSet`](crate::TargetSet).
    pub fn is_on_demand(&self) -> bool {
        self.0.on_demand
    }

    /// The networks that connections are restricted to, if any.
    pub fn networks(&self) -> Option<&Networks> {
        self.0.networks.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_copy_that_is_changed_leaves_the_original_alone() {
        let second = Duration::from_secs(1);
        let session = SessionConfig::new(second, second).unwrap();
        let labels = Arc::new([("dc".to_owned(), "fra".to_owned())].into());
        let one = Target::new("h:1".parse().unwrap(), session).with_labels(Arc::clone(&labels));
        let other = one.clone().named("other").with_label("dc", "ams");
        assert_eq!((&**one.name(), &*one.labels()["dc"]), ("h:1", "fra"));
        assert_eq!((&**other.name(), &*other.labels()["dc"]), ("other", "ams"));
        assert_eq!(labels["dc"], "fra");
        assert_ne!(one, other);
        assert_eq!(one, one.clone());
    }
}
