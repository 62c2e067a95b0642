//! The members of all meshes, and the peers among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tcp_echo_net::LocalAddresses;
use tcp_echo_prober::Address;

use super::{
    Mesh,
    ring::{Place, next},
};

/// A member of a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The name of its target, also where this process does not probe it.
    pub name: Arc<str>,
    /// Its address, as in the list.
    pub address: Address,
    /// What it is to this process.
    pub role: MemberRole,
}

/// What a [`Member`] is to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberRole {
    /// It is this process.
    Own,
    /// This process probes it.
    Peer,
    /// Others probe it.
    Other,
}

/// Chooses the peers in all lists of one time.
pub(crate) struct Meshes<'a> {
    mesh: Option<&'a Mesh>,
    local: &'a LocalAddresses,
    members: BTreeMap<Place, Member>,
}

impl<'a> Meshes<'a> {
    /// Without a mesh, no list is one.
    pub(crate) const fn new(mesh: Option<&'a Mesh>, local: &'a LocalAddresses) -> Self {
        Self {
            mesh,
            local,
            members: BTreeMap::new(),
        }
    }

    /// Returns those of a list that are to be probed, in their order: all, if it is no mesh. `entry`
    /// is the name and the address of one.
    pub(crate) fn peers<T>(
        &mut self,
        list: Vec<T>,
        entry: impl Fn(&T) -> (&Arc<str>, &Address),
    ) -> Vec<T> {
        let Some(mesh) = self.mesh else {
            return list;
        };
        let own = self.own(mesh, list.iter().map(&entry));
        if own.is_empty() && !mesh.is_every_list {
            return list;
        }
        let places: Vec<_> = list.iter().map(|one| Place::of(entry(one).1)).collect();
        let others = places.iter().filter(|place| !own.contains(place));
        let others: BTreeSet<_> = others.cloned().collect();
        let degree = mesh.degree.of(others.len());
        let peers = if own.is_empty() {
            next(&others, &[mesh.unlisted()].into(), degree)
        } else {
            next(&others, &own, degree)
        };
        for (one, place) in list.iter().zip(&places) {
            let role = if own.contains(place) {
                MemberRole::Own
            } else if peers.contains(place) {
                MemberRole::Peer
            } else {
                MemberRole::Other
            };
            self.note(place, entry(one), role);
        }
        let listed = list.into_iter().zip(&places);
        let probed = listed.filter(|(_, place)| peers.contains(place));
        probed.map(|(one, _)| one).collect()
    }

    /// The places of this process in a list.
    fn own<'e>(
        &self,
        mesh: &Mesh,
        list: impl Iterator<Item = (&'e Arc<str>, &'e Address)>,
    ) -> BTreeSet<Place> {
        let (mut own, mut maybe) = (BTreeSet::new(), BTreeSet::new());
        for (name, address) in list {
            if mesh.is_own(name, address, self.local) {
                own.insert(Place::of(address));
            } else if mesh.may_be_own(address) {
                maybe.insert(Place::of(address));
            }
        }
        // Several hosts may begin with the same label.
        if own.is_empty() && maybe.len() == 1 {
            own = maybe;
        }
        own
    }

    /// Adds a member. One of two meshes is what it is to this process in either.
    fn note(&mut self, place: &Place, (name, address): (&Arc<str>, &Address), role: MemberRole) {
        let member = self.members.entry(place.clone()).or_insert_with(|| Member {
            name: name.clone(),
            address: address.clone(),
            role,
        });
        if member.role == MemberRole::Other {
            member.role = role;
        }
    }

    /// The members of all meshes, each once, in the order of their names.
    pub(crate) fn into_members(self) -> Arc<[Member]> {
        let mut members: Vec<_> = self.members.into_values().collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        members.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry = (Arc<str>, Address);

    /// Entries as `address` or `name=address`.
    fn list(texts: &[&str]) -> Vec<Entry> {
        let entry = |text: &&str| {
            let (name, address) = text.split_once('=').unwrap_or((text, text));
            (name.into(), address.parse().unwrap())
        };
        texts.iter().map(entry).collect()
    }

    /// The names of the peers in a list, and all members.
    fn peers(mesh: &Mesh, texts: &[&str]) -> (Vec<String>, Arc<[Member]>) {
        let local = LocalAddresses::default();
        let mut meshes = Meshes::new(Some(mesh), &local);
        let peers = meshes.peers(list(texts), |(name, address)| (name, address));
        let names = peers.iter().map(|(name, _)| name.to_string()).collect();
        (names, meshes.into_members())
    }

    fn mesh(degree: &str) -> Mesh {
        Mesh::new(degree.parse().unwrap())
    }

    /// A host that no test runs on, and the process on it.
    fn on_host(host: &str, degree: &str) -> Mesh {
        let mut mesh = mesh(degree).serving(4000);
        mesh.names = vec![host.to_owned()];
        mesh
    }

    const LIST: [&str; 4] = [
        "127.0.0.1:4000",
        "198.51.100.1:4000",
        "198.51.100.2:4000",
        "198.51.100.3:4000",
    ];

    #[test]
    fn a_list_that_names_the_process_is_a_mesh() {
        assert_eq!(peers(&mesh("auto").serving(4000), &LIST).0, LIST[1..]);
        assert_eq!(peers(&mesh("2").serving(4000), &LIST).0.len(), 2);
    }

    #[test]
    fn others_are_meshes_only_if_every_list_is() {
        for mesh in [mesh("1").serving(4001), mesh("1")] {
            let (all, members) = peers(&mesh, &LIST);
            assert_eq!(
                (&*all, &*members),
                (LIST.map(String::from).as_slice(), [].as_slice())
            );
            let (some, members) = peers(&mesh.of_every_list(), &LIST);
            assert_eq!((some.len(), members.len()), (1, 4));
        }
    }

    #[test]
    fn an_unlisted_process_has_the_place_of_its_name() {
        let hosts = (1..=40).map(|host| format!("h{host}:4000"));
        let hosts: Vec<_> = hosts.collect();
        let all: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let mesh = on_host("h7", "3").of_every_list();
        let others: Vec<&str> = all
            .iter()
            .filter(|host| **host != "h7:4000")
            .copied()
            .collect();
        assert_eq!(peers(&mesh, &all).0, peers(&mesh, &others).0);
    }

    #[test]
    fn a_list_may_have_a_name_of_the_process() {
        let mesh = on_host("w7", "auto").named("eu1-w7.example.com");
        for (listed, is_own) in [
            ("w7:4000", true),
            ("W7.:4000", true),
            ("w7.example.com.:4000", true),
            ("EU1-w7.example.com:4000", true),
            ("eu1-w7:4000", false),
            ("eu1-w7.example.org:4000", false),
            ("x.w7.example.com:4000", false),
            ("w7:4001", false),
            (":4000", true),
            ("0.0.0.0:4000", true),
            ("[::1]:4000", true),
            ("[fe80::1%eth0]:4000", false),
            ("w7=203.0.113.7:4000", true),
            ("w7=203.0.113.7:4001", false),
            ("w7.example.com=203.0.113.7:4000", false),
        ] {
            let (peers, members) = peers(&mesh, &[listed, "w8:4000"]);
            let roles: Vec<_> = members.iter().map(|member| member.role).collect();
            if is_own {
                assert_eq!(peers, ["w8:4000"], "{listed}");
                assert!(roles.contains(&MemberRole::Own), "{listed}: {roles:?}");
            } else {
                assert_eq!(peers.len(), 2, "{listed}");
                assert_eq!(roles, [], "{listed}");
            }
        }
    }

    #[test]
    fn a_first_label_that_hosts_share_names_none() {
        let mesh = on_host("gw", "auto");
        let both = ["gw.ams.example.com:4000", "gw.fra.example.com:4000"];
        assert_eq!(peers(&mesh, &both).0, both);
        let mesh = mesh.named("gw.fra.example.com");
        assert_eq!(peers(&mesh, &both).0, both[..1]);
    }

    #[test]
    fn entries_of_one_address_are_one_member() {
        let twice = [
            "127.0.0.1:4000",
            "b=198.51.100.1:4000",
            "a=198.51.100.1:4000",
        ];
        let (peers, members) = peers(&mesh("1").serving(4000), &twice);
        assert_eq!(peers, ["b", "a"]);
        let members: Vec<_> = members.iter().map(|one| (&*one.name, one.role)).collect();
        assert_eq!(
            members,
            [("127.0.0.1:4000", MemberRole::Own), ("b", MemberRole::Peer)]
        );
    }

    #[test]
    fn a_process_of_two_addresses_is_no_peer_of_itself() {
        let hosts = (1..=20).flat_map(|n| {
            [
                format!("198.51.100.{n}:4000"),
                format!("[2001:db8::{n}]:4000"),
            ]
        });
        let own = ["127.0.0.1:4000".to_owned(), "[::1]:4000".to_owned()];
        let all: Vec<_> = hosts.chain(own.clone()).collect();
        let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
        let (mut found, members) = peers(&mesh("5").serving(4000), &all);
        assert!((5..=10).contains(&found.len()), "{found:?}");
        assert!(!own.iter().any(|own| found.contains(own)), "{found:?}");
        assert_eq!(members.len(), 42);
        // Whatever the order of the list.
        all.reverse();
        found.reverse();
        assert_eq!(peers(&mesh("5").serving(4000), &all).0, found);
    }

    #[test]
    fn a_process_alone_has_no_peers() {
        let (peers, members) = peers(&mesh("auto").serving(4000), &LIST[..1]);
        assert_eq!((peers.len(), members.len()), (0, 1));
    }

    #[test]
    fn members_of_two_meshes_are_known_once() {
        let local = LocalAddresses::default();
        let mesh = mesh("1").serving(4000);
        let mut meshes = Meshes::new(Some(&mesh), &local);
        let entry = |entry: &Entry| entry.clone();
        let mut probed = Vec::new();
        for other in ["198.51.100.4:4000", "198.51.100.5:4000"] {
            let list = list(&[&LIST, [other].as_slice()].concat());
            probed.extend(
                meshes
                    .peers(list, |(name, address)| (name, address))
                    .iter()
                    .map(entry),
            );
        }
        let members = meshes.into_members();
        assert_eq!(members.len(), 6);
        for member in members.iter().filter(|one| one.role != MemberRole::Own) {
            let is_probed = probed.iter().any(|(name, _)| *name == member.name);
            assert_eq!(is_probed, member.role == MemberRole::Peer, "{member:?}");
        }
    }
}
