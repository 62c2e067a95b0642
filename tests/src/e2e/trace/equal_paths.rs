//! Four paths of equal cost, among which a router, or the client itself, chooses by the flow.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use tcp_echo_prober::TraceLimits;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Namespace;

use super::chain::{FAMILIES, Family, forward, join};
use super::flow::traced;

/// The number of paths.
const PATHS: u8 = 4;
/// The link from the client to the router that chooses.
const ACCESS: u8 = 9;
/// The network of the addresses of client and server, which lie on no link.
const HOSTS: u8 = 90;
const CLIENT: u8 = 1;
const SERVER: u8 = 2;

/// The flows' ports.
const PORTS: std::ops::Range<u16> = 40_000..40_016;

/// Addresses, protocol and ports, as switches hash them.
const FIVE_TUPLE: &str = "0x37";
/// The IPv6 flow label too.
const WITH_LABEL: &str = "0x3f";

pub(super) fn run(context: &Context) -> Result<()> {
    for is_client_choosing in [false, true] {
        let fabric = Fabric::new(context, is_client_choosing)?;
        for (family, fields) in [
            (Family::V4, FIVE_TUPLE),
            (Family::V6, FIVE_TUPLE),
            (Family::V6, WITH_LABEL),
        ] {
            fabric.choose_by(family, fields)?;
            fabric.compare(context, family, fields)?;
        }
    }
    Ok(())
}

struct Fabric {
    client: Namespace,
    /// The router that chooses; `None` if the client does.
    hub: Option<Namespace>,
    /// The routers in the middle, one on each path.
    middle: Vec<Namespace>,
    server: Namespace,
    _echo: Echo,
}

impl Fabric {
    fn new(context: &Context, is_client_choosing: bool) -> Result<Self> {
        let (client, server) = (Namespace::new()?, Namespace::new()?);
        let hub = (!is_client_choosing).then(Namespace::new).transpose()?;
        let middle = (0..PATHS)
            .map(|_| Namespace::new())
            .collect::<Result<Vec<_>>>()?;
        let chooser = hub.as_ref().unwrap_or(&client);
        for (router, path) in middle.iter().zip(0..) {
            forward(router)?;
            join(chooser, router, path)?;
            join(router, &server, 10 + path)?;
        }
        if let Some(hub) = &hub {
            forward(hub)?;
            join(&client, hub, ACCESS)?;
        }
        for family in FAMILIES {
            for (host, end) in [(&client, CLIENT), (&server, SERVER)] {
                let address = format!("{}/{}", family.address(HOSTS, end), 8 * octets(family));
                host.ip(&["address", "add", &address, "dev", "lo"])?;
            }
            let to_server = family.address(HOSTS, SERVER);
            let to_client = family.address(HOSTS, CLIENT);
            route(
                chooser,
                to_server,
                (0..PATHS).map(|path| family.address(path, 2)),
            )?;
            route(
                &server,
                to_client,
                (10..10 + PATHS).map(|path| family.address(path, 1)),
            )?;
            for (router, path) in middle.iter().zip(0..) {
                route(router, to_server, [family.address(10 + path, 2)])?;
                route(router, to_client, [family.address(path, 1)])?;
            }
            if let Some(hub) = &hub {
                route(&client, to_server, [family.address(ACCESS, 2)])?;
                route(hub, to_client, [family.address(ACCESS, 1)])?;
            }
        }
        let echo = Echo::start_in(
            context,
            &server.inside(),
            &["-mode=server", "-listen=:4000"],
        )?;
        Ok(Self {
            client,
            hub,
            middle,
            server,
            _echo: echo,
        })
    }

    /// Sets what the choice of a path depends on.
    fn choose_by(&self, family: Family, fields: &str) -> Result<()> {
        let ip = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        for node in [self.hub.as_ref().unwrap_or(&self.client), &self.server] {
            node.set(&format!("{ip}/fib_multipath_hash_fields"), fields)?;
            node.set(&format!("{ip}/fib_multipath_hash_policy"), "3")?;
        }
        Ok(())
    }

    /// Compares the router that a trace names with the one that probes pass.
    fn compare(&self, context: &Context, family: Family, fields: &str) -> Result<()> {
        for router in &self.middle {
            router.nft(
                "add table inet probes; \
                 add set inet probes ports { type inet_service; flags dynamic; size 1000; }; \
                 add chain inet probes rules { type filter hook forward priority 0; }; \
                 add rule inet probes rules tcp dport 4000 tcp flags & psh == psh \
                     add @ports { tcp sport }",
            )?;
        }
        let mut named = vec![BTreeSet::new(); self.middle.len()];
        let at = usize::from(self.hub.is_some());
        for port in PORTS {
            let outcome = traced(
                &self.client,
                SocketAddr::new(family.address(HOSTS, CLIENT), port),
                SocketAddr::new(family.address(HOSTS, SERVER), 4000),
                &TraceLimits::AT_CONNECT,
            )?;
            let hop = outcome.addresses().get(at).copied().flatten();
            let router = (0..PATHS).position(|path| hop == Some(family.address(path, 2)));
            let router = router.with_context(|| format!("{:?}", outcome.path))?;
            named[router].insert(port);
            let mut connection = outcome.connection()?;
            connection.probe(5)?;
            connection.reset()?;
        }
        for (router, named) in self.middle.iter().zip(&named) {
            let passed = ports(&router.nft("list set inet probes ports")?)?;
            router.nft("delete table inet probes")?;
            ensure!(
                passed == *named,
                "passed by {passed:?}, named for {named:?}"
            );
        }
        let counts: Vec<usize> = named.iter().map(BTreeSet::len).collect();
        let chooser = if self.hub.is_some() {
            "router"
        } else {
            "client"
        };
        context.note(format!(
            "{family:?}, {chooser} chooses by {fields}: {counts:?} of {} flows on each path",
            PORTS.len()
        ));
        let used = counts.iter().filter(|count| **count > 0).count();
        ensure!(used >= 2, "all flows on one path");
        Ok(())
    }
}

const fn octets(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

/// Adds a route to a host over these gateways, in turn by flow.
fn route(node: &Namespace, to: IpAddr, gateways: impl IntoIterator<Item = IpAddr>) -> Result<()> {
    let (to, mut arguments) = (to.to_string(), vec!["route".to_owned(), "add".to_owned()]);
    arguments.push(to);
    for gateway in gateways {
        arguments.extend(["nexthop".to_owned(), "via".to_owned(), gateway.to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    node.ip(&arguments)
}

/// The elements of a set of ports, as `nft` lists it.
fn ports(listed: &str) -> Result<BTreeSet<u16>> {
    let Some((_, elements)) = listed.split_once("elements = {") else {
        return Ok(BTreeSet::new());
    };
    let (elements, _) = elements.split_once('}').context("no end of elements")?;
    elements
        .split(',')
        .map(|port| Ok(port.trim().parse()?))
        .collect()
}
