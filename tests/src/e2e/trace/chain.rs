//! A client, three routers in a row, and a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use tcp_echo_prober::TraceLimits;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Namespace;

use super::flow::{Outcome, traced};

/// The number of routers.
pub(super) const ROUTERS: usize = 3;
/// The number of the server among the nodes.
const SERVER: usize = ROUTERS + 1;
const PORT: u16 = 4000;

/// The internet protocol in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Family {
    /// The address of an end of a link; the near end, 1, is that of the client's side.
    pub(super) fn address(self, link: u8, end: u8) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 97, link, end).into(),
            Self::V6 => Ipv6Addr::new(0xfd97, 0, 0, link.into(), 0, 0, 0, end.into()).into(),
        }
    }

    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 64,
        }
    }
}

pub(super) struct Chain {
    /// Client, routers and server.
    nodes: Vec<Namespace>,
    _server: Echo,
}

impl Chain {
    pub(super) fn new(context: &Context) -> Result<Self> {
        let nodes = (0..=SERVER)
            .map(|_| Namespace::new())
            .collect::<Result<Vec<_>>>()?;
        for node in &nodes[1..SERVER] {
            forward(node)?;
        }
        for (pair, link) in nodes.windows(2).zip(0..) {
            join(&pair[0], &pair[1], link)?;
        }
        for (node, at) in nodes.iter().zip(0_u8..) {
            for (family, link) in FAMILIES
                .iter()
                .flat_map(|family| (0..4).map(move |link| (*family, link)))
            {
                let gateway = if link > at {
                    family.address(at, 2)
                } else if link + 1 < at {
                    family.address(at - 1, 1)
                } else {
                    continue;
                };
                let to = format!("{}/{}", family.address(link, 0), family.bits());
                node.ip(&["route", "add", &to, "via", &gateway.to_string()])?;
            }
        }
        let server = Echo::start_in(
            context,
            &nodes[SERVER].inside(),
            &["-mode=server", "-listen=:4000"],
        )?;
        Ok(Self {
            nodes,
            _server: server,
        })
    }

    pub(super) fn client(&self) -> &Namespace {
        &self.nodes[0]
    }

    /// A router by its number of hops from the client.
    pub(super) fn router(&self, hops: usize) -> &Namespace {
        &self.nodes[hops]
    }

    pub(super) fn server(&self) -> &Namespace {
        &self.nodes[SERVER]
    }

    /// What a router answers with, or the server behind the last one.
    pub(super) fn address(family: Family, hops: usize) -> IpAddr {
        family.address(u8::try_from(hops).unwrap_or(0) - 1, 2)
    }

    /// What a complete trace finds.
    pub(super) fn hops(family: Family) -> Vec<Option<IpAddr>> {
        (1..=SERVER)
            .map(|hops| Some(Self::address(family, hops)))
            .collect()
    }

    /// Traces the flow from this port to the server.
    pub(super) fn trace(&self, family: Family, port: u16, limits: &TraceLimits) -> Result<Outcome> {
        self.trace_to(PORT, family, port, limits)
    }

    /// Traces the flow to this port of the server's host.
    pub(super) fn trace_to(
        &self,
        to: u16,
        family: Family,
        port: u16,
        limits: &TraceLimits,
    ) -> Result<Outcome> {
        let source = SocketAddr::new(family.address(0, 1), port);
        let destination = SocketAddr::new(Self::address(family, SERVER), to);
        traced(self.client(), source, destination, limits)
    }
}

/// Makes a router of a namespace, which reports every packet that it drops.
pub(super) fn forward(node: &Namespace) -> Result<()> {
    for (parameter, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv6/icmp/ratelimit", "0"),
    ] {
        node.set(parameter, value)?;
    }
    Ok(())
}

/// Connects two namespaces by a link of this number.
pub(super) fn join(near: &Namespace, far: &Namespace, link: u8) -> Result<()> {
    let name = format!("link{link}");
    for node in [near, far] {
        // Addresses can be used at once, without a search for duplicates.
        node.set("ipv6/conf/default/accept_dad", "0")?;
    }
    near.link(far, &name)?;
    for family in FAMILIES {
        for (node, end) in [(near, 1), (far, 2)] {
            let address = format!("{}/{}", family.address(link, end), family.bits());
            node.ip(&["address", "add", &address, "dev", &name])?;
        }
    }
    Ok(())
}
