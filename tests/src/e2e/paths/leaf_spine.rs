//! Hosts below leaves, and spines between the leaves: each leaf chooses among the spines by the flow.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use testkit::context::Context;
use testkit::echo::Echo;
use testkit::netns::Namespace;

use super::fan::{FIVE_TUPLE, forward};

/// How many hosts there are.
pub(super) const HOSTS: usize = 8;

/// With two leaves alone, all flows from one to the other over a spine would have both of its links in
/// common, and no vote could tell these apart.
const LEAVES: usize = 4;
const SPINES: usize = 2;

/// Which addresses routers have, and so what they answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    /// One of its own for each router, which all of its links borrow.
    OfRouters,
    /// One for each end of a link.
    OfLinks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Host(usize),
    Leaf(usize),
    Spine(usize),
}

impl Node {
    const fn level(self) -> u8 {
        match self {
            Self::Host(_) => 0,
            Self::Leaf(_) => 1,
            Self::Spine(_) => 2,
        }
    }
}

/// A link in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) from: Node,
    pub(super) to: Node,
}

impl Link {
    pub(super) const fn reverse(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }
}

pub(super) struct LeafSpine {
    addresses: Addresses,
    hosts: Vec<Namespace>,
    leaves: Vec<Namespace>,
    spines: Vec<Namespace>,
    _servers: Vec<Echo>,
}

impl LeafSpine {
    pub(super) fn new(context: &Context, addresses: Addresses) -> Result<Self> {
        let nodes = |count| {
            (0..count)
                .map(|_| Namespace::new())
                .collect::<Result<Vec<_>>>()
        };
        let network = Self {
            addresses,
            hosts: nodes(HOSTS)?,
            leaves: nodes(LEAVES)?,
            spines: nodes(SPINES)?,
            _servers: Vec::new(),
        };
        network.prepare()?;
        for link in links() {
            network.join(link)?;
        }
        for host in 0..HOSTS {
            network.route_to(host)?;
        }
        let flags = ["-mode=server", "-listen=:4000"];
        let servers = network
            .hosts
            .iter()
            .map(|host| Echo::start_in(context, &host.inside(), &flags));
        let servers = servers.collect::<Result<Vec<_>>>()?;
        Ok(Self {
            _servers: servers,
            ..network
        })
    }

    pub(super) fn host(&self, host: usize) -> &Namespace {
        &self.hosts[host]
    }

    /// Where a host is probed.
    pub(super) fn target(&self, host: usize) -> String {
        format!("{}:4000", self.host_address(host))
    }

    /// The addresses by which votes name a link; that of the near end is not known if routers have one for
    /// each link.
    pub(super) fn names(&self, link: Link) -> (Option<IpAddr>, IpAddr) {
        let from = (self.addresses == Addresses::OfRouters).then(|| self.address(link.from, link));
        (from.map(IpAddr::from), self.address(link.to, link).into())
    }

    /// Drops so many percent of all packets on a link.
    pub(super) fn lose(&self, link: Link, percent: u32) -> Result<()> {
        let some = if percent < 100 {
            format!("numgen random mod 100 < {percent}")
        } else {
            String::new()
        };
        self.node(link.to).nft(&format!(
            "add table ip lossy; \
             add chain ip lossy rules {{ type filter hook prerouting priority -300; }}; \
             add rule ip lossy rules iifname {} {some} counter drop",
            name(link)
        ))?;
        Ok(())
    }

    pub(super) fn heal(&self, link: Link) -> Result<()> {
        self.node(link.to)
            .nft("add table ip lossy; delete table ip lossy")?;
        Ok(())
    }

    fn node(&self, node: Node) -> &Namespace {
        match node {
            Node::Host(n) => &self.hosts[n],
            Node::Leaf(n) => &self.leaves[n],
            Node::Spine(n) => &self.spines[n],
        }
    }

    /// The address of a node on one of its links.
    fn address(&self, node: Node, link: Link) -> Ipv4Addr {
        let octet = |n: usize| u8::try_from(n).unwrap_or(0) + 1;
        match (self.addresses, node) {
            (Addresses::OfRouters, Node::Host(n)) => Ipv4Addr::new(10, 91, 0, octet(n)),
            (Addresses::OfRouters, Node::Leaf(n)) => Ipv4Addr::new(10, 91, 1, octet(n)),
            (Addresses::OfRouters, Node::Spine(n)) => Ipv4Addr::new(10, 91, 2, octet(n)),
            (Addresses::OfLinks, node) => {
                let other = if node == link.from {
                    link.to
                } else {
                    link.from
                };
                let is_upper = node.level() > other.level();
                Ipv4Addr::new(10, 90, octet(number(link)), if is_upper { 1 } else { 2 })
            }
        }
    }

    fn host_address(&self, host: usize) -> Ipv4Addr {
        let link = Link {
            from: Node::Host(host),
            to: leaf_of(host),
        };
        self.address(link.from, link)
    }

    fn prepare(&self) -> Result<()> {
        for router in self.leaves.iter().chain(&self.spines) {
            forward(router)?;
            router.set("ipv4/fib_multipath_hash_fields", FIVE_TUPLE)?;
            router.set("ipv4/fib_multipath_hash_policy", "3")?;
            if self.addresses == Addresses::OfLinks {
                router.set("ipv4/icmp_errors_use_inbound_ifaddr", "1")?;
            }
        }
        Ok(())
    }

    fn join(&self, link: Link) -> Result<()> {
        let name = name(link);
        self.node(link.from).link(self.node(link.to), &name)?;
        for node in [link.from, link.to] {
            let address = self.address(node, link);
            let (address, device) = match self.addresses {
                Addresses::OfLinks => (format!("{address}/24"), &*name),
                Addresses::OfRouters => (format!("{address}/32"), "lo"),
            };
            // All links of a router may have the same.
            self.node(node)
                .ip(&["address", "replace", &address, "dev", device])?;
        }
        Ok(())
    }

    /// Adds the routes to a host to all nodes.
    fn route_to(&self, host: usize) -> Result<()> {
        let to = format!("{}/32", self.host_address(host));
        let leaf = leaf_of(host);
        for other in (0..HOSTS).filter(|other| *other != host) {
            self.route(Node::Host(other), &to, &[leaf_of(other)])?;
        }
        let spines: Vec<_> = (0..SPINES).map(Node::Spine).collect();
        for other in (0..LEAVES).map(Node::Leaf) {
            if other == leaf {
                self.route(other, &to, &[Node::Host(host)])?;
            } else {
                self.route(other, &to, &spines)?;
            }
        }
        for spine in spines {
            self.route(spine, &to, &[leaf])?;
        }
        Ok(())
    }

    fn route(&self, from: Node, to: &str, over: &[Node]) -> Result<()> {
        let mut arguments = vec!["route".to_owned(), "add".to_owned(), to.to_owned()];
        for gateway in over {
            let link = Link { from, to: *gateway };
            let gateway = self.address(*gateway, link).to_string();
            for word in ["nexthop", "via", &gateway, "dev", &name(link), "onlink"] {
                arguments.push(word.to_owned());
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.node(from).ip(&arguments)
    }
}

fn leaf_of(host: usize) -> Node {
    Node::Leaf(host * LEAVES / HOSTS)
}

/// The number of a link in either direction.
fn number(link: Link) -> usize {
    match (link.from, link.to) {
        (Node::Host(host), _) | (_, Node::Host(host)) => host,
        (Node::Leaf(leaf), Node::Spine(spine)) | (Node::Spine(spine), Node::Leaf(leaf)) => {
            HOSTS + leaf * SPINES + spine
        }
        _ => unreachable!("no such link"),
    }
}

fn name(link: Link) -> String {
    format!("link{}", number(link))
}

/// All links, upwards.
pub(super) fn links() -> Vec<Link> {
    let hosts = (0..HOSTS).map(|host| Link {
        from: Node::Host(host),
        to: leaf_of(host),
    });
    let leaves = (0..LEAVES).flat_map(|leaf| {
        (0..SPINES).map(move |spine| Link {
            from: Node::Leaf(leaf),
            to: Node::Spine(spine),
        })
    });
    hosts.chain(leaves).collect()
}
