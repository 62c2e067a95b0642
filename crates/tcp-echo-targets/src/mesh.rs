//! Meshes: lists whose members probe each other.

use std::{fmt, num::NonZeroUsize, str::FromStr};

use tcp_echo_net::{Host, host_name, is_local};
use tcp_echo_prober::Address;

use crate::shard::hash;

/// Up to so many peers each member probes all of them, unless it is told otherwise.
const MAX_FULL: usize = 64;

/// Of more peers it probes so many.
const DEGREE: usize = 32;

/// How many peers each member of a mesh probes.
///
/// ```
/// use tcp_echo_targets::MeshDegree;
///
/// assert_eq!("auto".parse(), Ok(MeshDegree::Auto));
/// assert_eq!("16".parse::<MeshDegree>().unwrap().to_string(), "16");
/// let error = "0".parse::<MeshDegree>().unwrap_err();
/// assert_eq!(error.to_string(), "use auto or a whole number, 1 or more");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MeshDegree {
    /// All up to 64 peers, 32 of more.
    #[default]
    Auto,
    /// So many, or all if there are fewer.
    Peers(NonZeroUsize),
}

/// A text that is no [`MeshDegree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use auto or a whole number, 1 or more")]
pub struct MeshDegreeError;

impl MeshDegree {
    /// How many of `peers` are probed.
    fn of(self, peers: usize) -> usize {
        match self {
            Self::Auto if peers <= MAX_FULL => peers,
            Self::Auto => DEGREE,
            Self::Peers(degree) => degree.get().min(peers),
        }
    }
}

impl fmt::Display for MeshDegree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Peers(degree) => degree.fmt(f),
        }
    }
}

impl FromStr for MeshDegree {
    type Err = MeshDegreeError;

    fn from_str(text: &str) -> Result<Self, MeshDegreeError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Peers).map_err(|_| MeshDegreeError),
        }
    }
}

/// Which lists are meshes, and which of their members this process probes.
///
/// A list of a file, of a `dns+` or of an `srv+` name is a mesh if it names this process, or if
/// that is said. The process leaves itself out, and probes the others or a part of them.
///
/// The part is chosen on a ring. Members stand there in the order of the hashes of their
/// addresses as written, and each probes the next ones. So all members agree without a word, each
/// one is probed by as many as it probes, and where one comes or goes, each of as many members
/// before it changes one peer. The hash is that of [`Shard`](crate::Shard).
#[derive(Clone, Debug)]
pub struct Mesh {
    degree: MeshDegree,
    /// Whether every list is a mesh, even if it does not name this process.
    is_said: bool,
    /// The port that this process serves, if it serves any.
    port: Option<u16>,
    /// By these names a list may name this host.
    names: Vec<String>,
}

impl Mesh {
    /// Lists that name this process as a server of `port` are meshes.
    pub fn of_server(port: u16) -> Self {
        Self {
            degree: MeshDegree::Auto,
            is_said: false,
            port: Some(port),
            names: host_name().into_iter().collect(),
        }
    }

    /// All lists are meshes. The process is none of their members unless it
    /// [serves](Self::of_server), too.
    pub fn of_all() -> Self {
        Self {
            degree: MeshDegree::Auto,
            is_said: true,
            port: None,
            names: host_name().into_iter().collect(),
        }
    }

    /// All lists are meshes, even those that don't name this process.
    #[must_use]
    pub const fn said(mut self) -> Self {
        self.is_said = true;
        self
    }

    /// Sets how many peers are probed.
    #[must_use]
    pub const fn with_degree(mut self, degree: MeshDegree) -> Self {
        self.degree = degree;
        self
    }

    /// Adds a name of this host.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Returns those of a list that are to be probed, in their order.
    pub(crate) fn peers<T>(&self, list: Vec<T>, address: impl Fn(&T) -> &Address) -> Vec<T> {
        self.peers_of(list, address, |address| self.is_own(address))
    }

    fn peers_of<T>(
        &self,
        mut list: Vec<T>,
        address: impl Fn(&T) -> &Address,
        is_own: impl Fn(&Address) -> bool,
    ) -> Vec<T> {
        let key = |one: &T| address(one).to_string();
        let own = list.iter().find(|one| is_own(address(one))).map(key);
        if own.is_none() && !self.is_said {
            return list;
        }
        list.retain(|one| !is_own(address(one)));
        let mut ring: Vec<_> = list.iter().map(|one| place(key(one))).collect();
        ring.sort_unstable();
        ring.dedup();
        let degree = self.degree.of(ring.len());
        if degree == ring.len() {
            return list;
        }
        // A process that its list does not name stands where its name does.
        let own = own.or_else(|| self.names.last().cloned());
        let own = place(own.unwrap_or_default());
        let next = ring.partition_point(|member| *member <= own);
        ring.rotate_left(next);
        ring.truncate(degree);
        ring.sort_unstable();
        list.retain(|one| ring.binary_search(&place(key(one))).is_ok());
        list
    }

    /// Whether a name in a list is one of this host. A name without a dot is the first label of the
    /// whole one, as of a pod in Kubernetes.
    fn is_name(&self, listed: &str) -> bool {
        let listed = listed.trim_end_matches('.');
        let label = listed.split('.').next().unwrap_or(listed);
        self.names.iter().any(|own| {
            let listed = if own.contains('.') { listed } else { label };
            own.eq_ignore_ascii_case(listed)
        })
    }

    /// Whether this process serves an address.
    fn is_own(&self, address: &Address) -> bool {
        self.port == Some(address.port())
            && match address.host() {
                Some(Host::Ip(ip)) => is_local(*ip),
                Some(Host::Name(name)) => self.is_name(name.ascii()),
                // Its address is not unique, so a list that others have, too, can't name it.
                Some(Host::LinkLocal(_)) => false,
                // As written, this host.
                None => true,
            }
    }
}

/// The place of a member on the ring.
fn place(key: String) -> (u64, String) {
    (hash(&key), key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn of_degree(degree: usize) -> Mesh {
        Mesh::of_server(4000).with_degree(MeshDegree::Peers(degree.try_into().unwrap()))
    }

    /// The peers of one member.
    fn peers(mesh: &Mesh, members: &[Address], own: &Address) -> BTreeSet<String> {
        let peers = mesh.peers_of(members.to_vec(), |one| one, |one| one == own);
        peers.iter().map(Address::to_string).collect()
    }

    fn members(hosts: &BTreeSet<u16>) -> Vec<Address> {
        let hosts = hosts.iter();
        hosts
            .map(|host| address(&format!("10.0.{}.{}:4000", host >> 8, host & 255)))
            .collect()
    }

    proptest! {
        #[test]
        fn each_member_is_probed_by_as_many_as_it_probes(
            hosts in prop::collection::btree_set(any::<u16>(), 2..80),
            degree in 1usize..40,
        ) {
            let (mesh, members) = (of_degree(degree), members(&hosts));
            let degree = degree.min(members.len() - 1);
            let all: Vec<_> = members.iter().map(|own| peers(&mesh, &members, own)).collect();
            for (own, of_own) in members.iter().zip(&all) {
                let own = own.to_string();
                prop_assert_eq!(of_own.len(), degree);
                prop_assert!(!of_own.contains(&own));
                let probed_by = all.iter().filter(|peers| peers.contains(&own)).count();
                prop_assert_eq!(probed_by, degree);
            }
        }

        #[test]
        fn a_member_that_comes_or_goes_changes_one_peer_of_as_many(
            hosts in prop::collection::btree_set(any::<u16>(), 3..80),
            nth in any::<prop::sample::Index>(),
            degree in 1usize..40,
        ) {
            let (mesh, more) = (of_degree(degree), members(&hosts));
            let gone = &more[nth.index(more.len())];
            let fewer: Vec<_> = more.iter().filter(|one| *one != gone).cloned().collect();
            let mut changed = 0;
            for own in &fewer {
                let (before, after) = (peers(&mesh, &more, own), peers(&mesh, &fewer, own));
                let lost: Vec<_> = before.difference(&after).collect();
                prop_assert!(lost.is_empty() || lost == [&gone.to_string()]);
                prop_assert!(after.difference(&before).count() <= lost.len());
                changed += lost.len();
            }
            prop_assert!(changed <= degree);
        }

        #[test]
        fn the_order_of_a_list_changes_nothing(
            hosts in prop::collection::btree_set(any::<u16>(), 2..80),
            degree in 1usize..40,
        ) {
            let (mesh, members) = (of_degree(degree), members(&hosts));
            let mut reversed = members.clone();
            reversed.reverse();
            let own = &members[0];
            prop_assert_eq!(peers(&mesh, &members, own), peers(&mesh, &reversed, own));
        }
    }

    #[test]
    fn all_up_to_64_peers_and_32_beyond() {
        let mesh = Mesh::of_server(4000);
        for (count, degree) in [(2, 1), (65, 64), (66, 32), (1000, 32)] {
            let members = members(&(0..count).collect());
            assert_eq!(peers(&mesh, &members, &members[1]).len(), degree);
        }
    }

    #[test]
    fn only_a_list_that_names_this_process_is_a_mesh() {
        let list = ["127.0.0.1:4000", "198.51.100.1:4000", "198.51.100.2:4000"].map(address);
        let peers = |mesh: Mesh| mesh.peers(list.to_vec(), |one| one);
        let degree = "1".parse().unwrap();
        assert_eq!(peers(of_degree(1)).len(), 1);
        assert_eq!(peers(Mesh::of_server(4000)), list[1..]);
        let other = Mesh::of_server(4001).with_degree(degree);
        assert_eq!(peers(other.clone()), list);
        assert_eq!(peers(other.said()).len(), 1);
        assert_eq!(peers(Mesh::of_all().with_degree(degree)).len(), 1);
    }

    #[test]
    fn a_list_may_name_the_host() {
        let mesh = Mesh::of_server(4000)
            .with_name("echo-7")
            .with_name("w7.example.com");
        for (listed, is_own) in [
            ("echo-7:4000", true),
            ("ECHO-7.echo.default.svc.cluster.local.:4000", true),
            ("w7.example.com:4000", true),
            ("w7.example.org:4000", false),
            ("w7:4000", false),
            ("echo-7:4001", false),
            (":4000", true),
            ("[fe80::1%eth0]:4000", false),
        ] {
            assert_eq!(mesh.is_own(&address(listed)), is_own, "{listed}");
        }
    }

    #[test]
    fn one_alone_has_no_peers() {
        let own = [address("127.0.0.1:4000")];
        assert_eq!(Mesh::of_server(4000).peers(own.to_vec(), |one| one), []);
    }

    #[test]
    fn names_of_one_address_are_one_member() {
        let list = ["127.0.0.1:4000", "198.51.100.1:4000", "198.51.100.1:4000"].map(address);
        let peers = of_degree(1).peers(list.to_vec(), |one| one);
        assert_eq!(peers, list[1..]);
    }
}
