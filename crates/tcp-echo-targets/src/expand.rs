//! Expanding names to targets.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    sync::Arc,
};

use tcp_echo_prober::{Address, Target, TargetSet};
use tracing::{debug, info, warn};

use crate::{
    Endpoint, Shard, Spec,
    answer::Found,
    discovery::{Discovery, Question},
    mesh::Meshes,
};

/// Expands names to targets, and logs changes of what is dropped.
pub(crate) struct Expansion {
    shard: Shard,
    /// The maximum of targets of one name.
    max: NonZeroUsize,
    /// What was dropped last, by the name of the entry.
    dropped: BTreeMap<Arc<str>, Dropped>,
}

/// How many targets of a name are dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dropped {
    /// Targets beyond the maximum.
    over: usize,
    /// Targets outside the allowed networks.
    outside: usize,
    /// Hosts that are no valid address.
    unusable: usize,
}

impl Expansion {
    pub(crate) const fn new(shard: Shard, max: NonZeroUsize) -> Self {
        Self {
            shard,
            max,
            dropped: BTreeMap::new(),
        }
    }

    /// Adds the found targets of the shard, those that are peers. One of the same name that is already in `targets`, a
    /// listed one, wins. Of a name with too many targets, those in `current` are kept, then the
    /// first in order: the same answers result in the same targets.
    pub(crate) fn add_to(
        &mut self,
        targets: &mut BTreeMap<Arc<str>, Target>,
        meshes: &mut Meshes<'_>,
        specs: &[Arc<Spec>],
        discovery: &Discovery,
        current: &TargetSet,
    ) {
        let mut dropped = BTreeMap::new();
        for spec in specs {
            let Some(question) = Question::of(spec.endpoint()) else {
                continue;
            };
            let mut drops = Dropped::default();
            let mut candidates = Vec::new();
            for found in discovery.found(&question) {
                let Some((suffix, address)) = identify(spec.endpoint(), found) else {
                    continue;
                };
                let name: Arc<str> = format!("{}/{suffix}", spec.name()).into();
                if !self.shard.has(&name) {
                    continue;
                }
                let id: Arc<str> = format!("{}/{suffix}", spec.identity()).into();
                match address.parse::<Address>() {
                    Ok(_) if targets.contains_key(&id) => {
                        debug!(%name, "found a target with the name of a listed one");
                    }
                    Ok(address) if spec.may_be_at(&address) => candidates.push((id, name, address)),
                    Ok(_) => drops.outside += 1,
                    Err(error) => {
                        debug!(%name, %address, %error, "found an invalid address");
                        drops.unusable += 1;
                    }
                }
            }
            let mut candidates = meshes.peers(candidates, |(_, name, address)| (name, address));
            drops.over = candidates.len().saturating_sub(self.max.get());
            if drops.over > 0 {
                // The sort is stable.
                candidates.sort_by_key(|(id, ..)| !current.contains(id));
                candidates.truncate(self.max.get());
            }
            for (id, name, address) in candidates {
                targets.insert(id.clone(), spec.target(id, name, address));
            }
            if drops != Dropped::default() {
                dropped.insert(spec.identity().clone(), drops);
            }
        }
        self.log_changes(dropped);
    }

    /// Logs what is dropped, if that has changed.
    fn log_changes(&mut self, now: BTreeMap<Arc<str>, Dropped>) {
        for (name, drops) in &now {
            let before = self.dropped.get(name).copied().unwrap_or_default();
            if drops.over != before.over && drops.over > 0 {
                warn!(
                    %name, max = self.max, dropped = drops.over,
                    "name has too many targets (dns-max)"
                );
            }
            if drops.outside != before.outside && drops.outside > 0 {
                warn!(
                    %name, dropped = drops.outside,
                    "name has addresses outside the allowed networks (discover-allow)"
                );
            }
            if drops.unusable != before.unusable && drops.unusable > 0 {
                warn!(
                    %name, dropped = drops.unusable,
                    "name has invalid hosts"
                );
            }
        }
        for name in self.dropped.keys().filter(|name| !now.contains_key(*name)) {
            info!(%name, "name has all of its targets again");
        }
        self.dropped = now;
    }
}

/// The suffix of a found target's name, and its address.
fn identify(endpoint: &Endpoint, found: &Found) -> Option<(String, String)> {
    match (endpoint, found) {
        (Endpoint::Dns { port, .. }, Found::Ip(ip)) => {
            Some((ip.to_string(), SocketAddr::new(*ip, *port).to_string()))
        }
        (Endpoint::Srv { .. }, Found::Service { host, port }) => {
            let suffix = format!("{host}:{port}");
            // Fully qualified: no search domain is appended.
            let is_name = host.parse::<IpAddr>().is_err();
            let address = if is_name {
                format!("{host}.:{port}")
            } else {
                suffix.clone()
            };
            Some((suffix, address))
        }
        _ => None,
    }
}
