//! Names that are looked up and expanded to targets.

use std::{collections::BTreeMap, sync::Arc};

use tcp_echo_prober::{Target, TargetSet};

use crate::{
    Config, Spec,
    discovery::{Discovery, Settings},
    expand::Expansion,
    mesh::Meshes,
    source::{MAX_DURATION, MIN_INTERVAL},
    sources::Sources,
};

/// The names of a list of targets.
pub(crate) struct Names {
    discovery: Discovery,
    expansion: Expansion,
}

impl Names {
    pub(crate) fn new(config: &Config, sources: Sources) -> Self {
        let settings = Settings {
            resolver: config.resolver.clone(),
            ip: config.ip,
            refresh: config.dns_refresh.clamp(MIN_INTERVAL, MAX_DURATION),
            stale: config.dns_stale.min(MAX_DURATION),
        };
        Self {
            discovery: Discovery::new(settings, sources),
            expansion: Expansion::new(config.shard, config.dns_max),
        }
    }

    /// Follows the names of these targets and no others.
    pub(crate) fn want(&mut self, specs: &[Arc<Spec>]) {
        self.discovery.want(specs);
    }

    /// Looks up all names now.
    pub(crate) fn begin_round(&mut self) {
        self.discovery.begin_round();
    }

    /// Looks up all names once, and waits for the answers.
    pub(crate) async fn look_up_all(&mut self) {
        self.discovery.begin_round();
        while !self.discovery.is_round_over() {
            self.discovery.next().await;
        }
    }

    /// Waits for an answer, and returns whether it has changed anything. Never resolves without
    /// names. Cancel safe.
    pub(crate) async fn next(&mut self) -> bool {
        self.discovery.next().await
    }

    /// Whether no look-up is in progress or due.
    pub(crate) fn is_idle(&self) -> bool {
        self.discovery.is_idle()
    }

    /// Adds the found targets of `specs`, those that are peers, to the listed ones.
    pub(crate) fn add_to(
        &mut self,
        targets: &mut BTreeMap<Arc<str>, Target>,
        meshes: &mut Meshes<'_>,
        specs: &[Arc<Spec>],
        current: &TargetSet,
    ) {
        self.expansion
            .add_to(targets, meshes, specs, &self.discovery, current);
    }
}
