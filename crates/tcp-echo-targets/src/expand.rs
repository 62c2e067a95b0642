//! From what is listed and what names stand for to targets.

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
};

/// Makes targets of what is listed, and tells what it leaves off when that changes.
pub(crate) struct Expansion {
    shard: Shard,
    /// The targets of one name that are taken.
    most: NonZeroUsize,
    /// What was left off of each name the last time, by the name of its entry.
    left_off: BTreeMap<Arc<str>, LeftOff>,
}

/// How many of the targets of a name are left off, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LeftOff {
    /// There are more than are taken of a name.
    over: usize,
    /// Their addresses are outside the networks that it may lead to.
    outside: usize,
    /// What was found is no address to connect to.
    unusable: usize,
}

impl Expansion {
    pub(crate) const fn new(shard: Shard, most: NonZeroUsize) -> Self {
        Self {
            shard,
            most,
            left_off: BTreeMap::new(),
        }
    }

    /// The targets of the shard. One that is listed by its address goes before one that
    /// was found and happens to have its name. Where a name stands for more than are taken,
    /// those that are in `current` stay, and the first in order join them: two rounds with
    /// the same answers give the same targets.
    pub(crate) fn targets(
        &mut self,
        specs: &[Arc<Spec>],
        discovery: &Discovery,
        current: &TargetSet,
    ) -> TargetSet {
        let mut targets = BTreeMap::<Arc<str>, Target>::new();
        for spec in specs {
            if let Endpoint::Address(address) = spec.endpoint() {
                let (id, name) = (spec.identity().clone(), spec.name().clone());
                if self.shard.has(&name) {
                    targets.insert(id.clone(), spec.target(id, name, address.clone()));
                }
            }
        }
        let mut left_off = BTreeMap::new();
        for spec in specs {
            let Some(question) = Question::of(spec.endpoint()) else {
                continue;
            };
            let mut left = LeftOff::default();
            let mut candidates = Vec::new();
            for found in discovery.found(&question) {
                let Some((suffix, address)) = place(spec.endpoint(), found) else {
                    continue;
                };
                let name: Arc<str> = format!("{}/{suffix}", spec.name()).into();
                if !self.shard.has(&name) {
                    continue;
                }
                let id: Arc<str> = format!("{}/{suffix}", spec.identity()).into();
                match address.parse::<Address>() {
                    Ok(_) if targets.contains_key(&id) => {
                        debug!(%name, "a target found has the name of one listed");
                    }
                    Ok(address) if spec.may_be_at(&address) => candidates.push((id, name, address)),
                    Ok(_) => left.outside += 1,
                    Err(error) => {
                        debug!(%name, %address, %error, "what was found is no target");
                        left.unusable += 1;
                    }
                }
            }
            left.over = candidates.len().saturating_sub(self.most.get());
            if left.over > 0 {
                // It keeps the order of those that are alike.
                candidates.sort_by_key(|(id, ..)| !current.contains(id));
                candidates.truncate(self.most.get());
            }
            for (id, name, address) in candidates {
                targets.insert(id.clone(), spec.target(id, name, address));
            }
            if left != LeftOff::default() {
                left_off.insert(spec.identity().clone(), left);
            }
        }
        self.tell(left_off);
        // They come from a map: no name is there twice.
        TargetSet::new(targets.into_values()).unwrap_or_default()
    }

    /// Says what is left off of which name, where that is not what was said last.
    fn tell(&mut self, now: BTreeMap<Arc<str>, LeftOff>) {
        for (name, left) in &now {
            let before = self.left_off.get(name).copied().unwrap_or_default();
            if left.over != before.over && left.over > 0 {
                warn!(
                    %name, most = self.most, left_off = left.over,
                    "a name stands for more targets than are taken of one (dns-max)"
                );
            }
            if left.outside != before.outside && left.outside > 0 {
                warn!(
                    %name, left_off = left.outside,
                    "a name stands for addresses outside the networks that it may lead to \
                     (discover-allow)"
                );
            }
            if left.unusable != before.unusable && left.unusable > 0 {
                warn!(
                    %name, left_off = left.unusable,
                    "a name stands for hosts that can't be connected to"
                );
            }
        }
        for name in self.left_off.keys().filter(|name| !now.contains_key(*name)) {
            info!(%name, "all that a name stands for is taken");
        }
        self.left_off = now;
    }
}

/// What is found behind an endpoint: what tells it from others there, and its address.
fn place(endpoint: &Endpoint, found: &Found) -> Option<(String, String)> {
    match (endpoint, found) {
        (Endpoint::Dns { port, .. }, Found::Ip(ip)) => {
            Some((ip.to_string(), SocketAddr::new(*ip, *port).to_string()))
        }
        (Endpoint::Srv { .. }, Found::Service { host, port }) => {
            let suffix = format!("{host}:{port}");
            // The name is in full: no search domain goes with it.
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
