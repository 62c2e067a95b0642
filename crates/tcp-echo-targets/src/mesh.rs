//! Meshes: lists whose members probe each other.

mod degree;
mod members;
mod ring;

use tcp_echo_net::{Host, LocalAddresses, host_name};
use tcp_echo_prober::Address;

use self::ring::Place;

pub(crate) use self::members::Meshes;
pub use self::{
    degree::{MeshDegree, MeshDegreeError},
    members::{Member, MemberRole},
};

/// Which lists are meshes, and which of their members this process probes.
///
/// A list is that of one [`FilePattern`](crate::FilePattern), or of one `dns+` or `srv+` name. It
/// is a mesh if it names this process. The process leaves itself out, and probes all others or
/// some of them.
///
/// Members need only the same list to agree on who probes whom. The rule is part of the interface
/// and does not change:
///
/// 1. The address of a member is `host:port`: an IP address as in RFC 5952, in brackets if it is
///    an IPv6 address, or a name in ASCII, in lower case, without a dot at the end. Entries of
///    the same address are one member.
/// 2. The members form a ring in the order of *k*, which [`Shard`](crate::Shard) defines, of their
///    addresses; those of the same *k* in the order of their addresses.
/// 3. Each member probes the next ones, as many as [`MeshDegree`] says. One with several addresses
///    in the list probes as many after each of them, and skips its own.
///
/// So each member of one address is probed by as many as it probes, if that holds for all. If one
/// comes or goes, each of as many before it changes one peer.
#[derive(Clone, Debug)]
pub struct Mesh {
    degree: MeshDegree,
    is_every_list: bool,
    /// The port that this process serves, if it serves any.
    port: Option<u16>,
    /// By these names a list may name this process; the last one is its own.
    names: Vec<String>,
}

impl Mesh {
    /// The rule for a process that serves nothing: it is a member of no list.
    #[must_use]
    pub fn new(degree: MeshDegree) -> Self {
        Self {
            degree,
            is_every_list: false,
            port: None,
            names: host_name().into_iter().collect(),
        }
    }

    /// Sets the port that the process serves. A list names it by an address or the name of this host
    /// and this port.
    #[must_use]
    pub const fn serving(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Adds a name of the process: of its node, say. A list may have it as the host of the address, or
    /// as the name of the target.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Makes every list a mesh, also those that don't name this process. Its place on the ring is
    /// that of its last name then.
    #[must_use]
    pub const fn of_every_list(mut self) -> Self {
        self.is_every_list = true;
        self
    }

    /// Whether an entry of a list is this process.
    fn is_own(&self, target: &str, address: &Address, local: &LocalAddresses) -> bool {
        self.port == Some(address.port())
            && (self.is_name(target)
                || match address.host() {
                    Some(Host::Ip(ip)) => local.contains(*ip),
                    Some(Host::Name(name)) => self.is_name(name.ascii()),
                    // It is not unique, so a list that others have, too, can't name this host by it.
                    Some(Host::LinkLocal(_)) => false,
                    // As written, this host.
                    None => true,
                })
    }

    /// Whether an entry may be this process: its host begins with a name of this process, as the
    /// name of a pod in Kubernetes is the first label of its host.
    fn may_be_own(&self, address: &Address) -> bool {
        let Some(Host::Name(host)) = address.host() else {
            return false;
        };
        let label = host.ascii().split('.').next();
        self.port == Some(address.port()) && label.is_some_and(|label| self.is_name(label))
    }

    /// Whether a name is one of this process.
    fn is_name(&self, listed: &str) -> bool {
        let listed = listed.trim_end_matches('.');
        let mut names = self.names.iter();
        names.any(|own| own.eq_ignore_ascii_case(listed))
    }

    /// The place of this process where a list does not name it.
    fn unlisted(&self) -> Place {
        let name = self.names.last().map_or("", String::as_str);
        let port = self.port.unwrap_or_default();
        Place::at(format!("{}:{port}", name.to_ascii_lowercase()))
    }
}
