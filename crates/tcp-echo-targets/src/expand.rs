//! From what is listed and what names stand for to targets.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use tcp_echo_prober::{Target, TargetSet};
use tracing::debug;

use crate::{
    Endpoint, Shard, Spec,
    discovery::{Discovery, Question},
    dns::Found,
};

/// The targets of `shard`. A target that is listed by its address goes before one that
/// was found and happens to have its name.
pub(crate) fn targets(specs: &[Spec], discovery: &Discovery, shard: Shard) -> TargetSet {
    let mut targets = BTreeMap::<Arc<str>, Target>::new();
    for spec in specs {
        if let Endpoint::Address(address) = spec.endpoint() {
            let name = spec.name();
            if shard.has(name) {
                targets.insert(name.clone(), spec.target(name.clone(), address.clone()));
            }
        }
    }
    for spec in specs {
        let Some(question) = Question::of(spec.endpoint()) else {
            continue;
        };
        for found in discovery.found(&question) {
            let Some((suffix, address)) = place(spec.endpoint(), found) else {
                continue;
            };
            let name: Arc<str> = format!("{}/{suffix}", spec.name()).into();
            if !shard.has(&name) {
                continue;
            }
            // A record may name a host that no address can be made of.
            match address.parse() {
                Ok(address) if !targets.contains_key(&name) => {
                    let target = spec.target(name.clone(), address);
                    targets.insert(name, target);
                }
                Ok(_) => debug!(%name, "a target found has the name of one listed"),
                Err(error) => debug!(%name, %address, %error, "what was found is no target"),
            }
        }
    }
    // They come from a map: no name is there twice.
    TargetSet::new(targets.into_values()).unwrap_or_default()
}

/// What is found behind an endpoint: what tells it from others there, and its address.
fn place(endpoint: &Endpoint, found: &Found) -> Option<(String, String)> {
    match (endpoint, found) {
        (Endpoint::Dns { port, .. }, Found::Ip(ip)) => {
            Some((ip.to_string(), SocketAddr::new(*ip, *port).to_string()))
        }
        (Endpoint::Srv { .. }, Found::Service { host, port }) => {
            let address = format!("{host}:{port}");
            Some((address.clone(), address))
        }
        _ => None,
    }
}
