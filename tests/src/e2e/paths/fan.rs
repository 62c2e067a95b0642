//! A client, a router that chooses among equal paths by the flow, and a server. Replies have one way.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Namespace;

/// Addresses, protocol and ports, as switches hash them.
pub(super) const FIVE_TUPLE: &str = "0x37";

/// The server's address, which lies on no link.
const SERVER: &str = "10.96.200.1";

/// Numbers of links: from the client to the hub, and from the server to it.
const ACCESS: u8 = 0;
const BACK: u8 = 1;
/// From the hub to the routers in the middle, and from these to the server.
const NEAR: u8 = 10;
const FAR: u8 = 50;

pub(super) struct Fan {
    pub(super) client: Namespace,
    hub: Namespace,
    /// The routers in the middle, one on each path.
    middle: Vec<Namespace>,
    _server: Namespace,
    _echo: Echo,
}

impl Fan {
    pub(super) fn new(context: &Context, paths: u8) -> Result<Self> {
        let (client, hub, server) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
        let middle = (0..paths)
            .map(|_| Namespace::new())
            .collect::<Result<Vec<_>>>()?;
        for router in middle.iter().chain([&hub]) {
            forward(router)?;
        }
        server.set("ipv4/conf/all/rp_filter", "0")?;
        join(&client, &hub, ACCESS)?;
        join(&hub, &server, BACK)?;
        server.ip(&["address", "add", &format!("{SERVER}/32"), "dev", "lo"])?;
        let mut nexthops = vec!["route".into(), "add".into(), SERVER.into()];
        for (router, path) in middle.iter().zip(0..) {
            join(&hub, router, NEAR + path)?;
            join(router, &server, FAR + path)?;
            let (near, far) = (address(NEAR + path, 1), address(FAR + path, 2));
            router.ip(&["route", "add", "default", "via", &near.to_string()])?;
            router.ip(&["route", "add", SERVER, "via", &far.to_string()])?;
            let gateway = address(NEAR + path, 2).to_string();
            nexthops.extend(["nexthop".into(), "via".into(), gateway]);
        }
        hub.ip(&nexthops.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (end, link, gateway) in [(&client, ACCESS, 2), (&server, BACK, 1)] {
            let gateway = address(link, gateway).to_string();
            end.ip(&["route", "add", "default", "via", &gateway])?;
        }
        hub.set("ipv4/fib_multipath_hash_fields", FIVE_TUPLE)?;
        hub.set("ipv4/fib_multipath_hash_policy", "3")?;
        let flags = [
            "-mode=server",
            "-listen=:4000",
            "-max-connections=0",
            "-max-connections-per-ip=0",
        ];
        let echo = Echo::start_in(context, &server.inside(), &flags)?;
        Ok(Self {
            client,
            hub,
            middle,
            _server: server,
            _echo: echo,
        })
    }

    /// Where probes go to.
    pub(super) fn target() -> String {
        format!("{SERVER}:4000")
    }

    /// What the router on a path answers with.
    pub(super) fn hop(path: usize) -> Result<IpAddr> {
        Ok(address(NEAR + u8::try_from(path)?, 2).into())
    }

    /// Drops so many percent of what a path forwards.
    pub(super) fn lose_on_path(&self, path: usize, percent: u32) -> Result<()> {
        lose(&self.middle[path], percent)
    }

    /// Drops so many percent of what all paths forward, and of all replies.
    pub(super) fn lose_everywhere(&self, percent: u32) -> Result<()> {
        lose(&self.hub, percent)
    }

    /// Nothing is dropped any more.
    pub(super) fn heal(&self) -> Result<()> {
        for router in self.middle.iter().chain([&self.hub]) {
            router.nft("add table ip lossy; delete table ip lossy")?;
        }
        Ok(())
    }
}

fn address(link: u8, end: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, link, end)
}

/// Makes a router of a namespace, which reports every packet that it drops.
pub(super) fn forward(node: &Namespace) -> Result<()> {
    for (parameter, value) in [
        ("ip_forward", "1"),
        ("conf/all/rp_filter", "0"),
        ("icmp_ratelimit", "0"),
        ("icmp_msgs_per_sec", "100000"),
        ("icmp_msgs_burst", "10000"),
    ] {
        node.set(&format!("ipv4/{parameter}"), value)?;
    }
    Ok(())
}

fn join(near: &Namespace, far: &Namespace, link: u8) -> Result<()> {
    let name = format!("link{link}");
    near.link(far, &name)?;
    for (node, end) in [(near, 1), (far, 2)] {
        node.ip(&[
            "address",
            "add",
            &format!("{}/24", address(link, end)),
            "dev",
            &name,
        ])?;
    }
    Ok(())
}

/// Drops so many percent of the TCP segments that a router forwards.
pub(super) fn lose(router: &Namespace, percent: u32) -> Result<()> {
    let some = if percent < 100 {
        format!("numgen random mod 100 < {percent}")
    } else {
        String::new()
    };
    router.nft(&format!(
        "add table ip lossy; \
         add chain ip lossy rules {{ type filter hook forward priority 0; }}; \
         add rule ip lossy rules ip protocol tcp {some} counter drop"
    ))?;
    Ok(())
}
