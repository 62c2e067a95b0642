//! The ring of the members of a mesh.

use std::{collections::BTreeSet, net::SocketAddr};

use tcp_echo_net::Host;
use tcp_echo_prober::Address;

use crate::shard::hash;

/// The place of a member on the ring: its hash, and what that is the hash of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    hash: u64,
    address: String,
}

impl Place {
    /// The place of the member at an address. Ways to write the same address have the same place.
    pub(super) fn of(address: &Address) -> Self {
        let port = address.port();
        Self::at(match address.host() {
            Some(Host::Ip(ip)) => SocketAddr::new(ip.to_canonical(), port).to_string(),
            Some(Host::LinkLocal(ip)) => format!("[{ip}]:{port}"),
            Some(Host::Name(name)) => {
                let name = name.ascii().trim_end_matches('.');
                format!("{}:{port}", name.to_ascii_lowercase())
            }
            None => format!(":{port}"),
        })
    }

    /// The place of this text.
    pub(super) fn at(address: String) -> Self {
        let hash = hash(&address);
        Self { hash, address }
    }
}

/// The next members on the ring, `degree` after each place of `own`. `others` has none of `own`.
pub(super) fn next<'a>(
    others: &'a BTreeSet<Place>,
    own: &BTreeSet<Place>,
    degree: usize,
) -> BTreeSet<&'a Place> {
    let degree = degree.min(others.len());
    let after = |own| others.range(own..).chain(others).take(degree);
    own.iter().flat_map(after).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*, sample::Index};

    use super::*;

    /// Members by the number of their host.
    fn ring(hosts: &BTreeSet<u32>) -> BTreeSet<Place> {
        let address = |host: &u32| format!("10.{}.{}.1:4000", host >> 8, host & 255);
        hosts.iter().map(|host| Place::at(address(host))).collect()
    }

    fn peers<'a>(ring: &'a BTreeSet<Place>, own: &Place, degree: usize) -> BTreeSet<&'a Place> {
        let others: BTreeSet<_> = ring.iter().filter(|one| *one != own).cloned().collect();
        let next = next(&others, &[own.clone()].into(), degree);
        ring.iter().filter(|one| next.contains(one)).collect()
    }

    fn hosts(min: usize) -> impl Strategy<Value = BTreeSet<u32>> {
        btree_set(0u32..1 << 16, min..80)
    }

    proptest! {
        #[test]
        fn each_member_is_probed_by_as_many_as_it_probes(hosts in hosts(1), degree in 1usize..90) {
            let ring = ring(&hosts);
            let all: Vec<_> = ring.iter().map(|own| peers(&ring, own, degree)).collect();
            let degree = degree.min(ring.len() - 1);
            for (own, own_peers) in ring.iter().zip(&all) {
                prop_assert_eq!(own_peers.len(), degree);
                prop_assert!(!own_peers.contains(own));
                let probed_by = all.iter().filter(|peers| peers.contains(own)).count();
                prop_assert_eq!(probed_by, degree);
            }
        }

        #[test]
        fn a_member_that_comes_or_goes_changes_one_peer_of_as_many(
            hosts in hosts(2),
            gone in any::<Index>(),
            degree in 1usize..90,
        ) {
            let more = ring(&hosts);
            let gone = more.iter().nth(gone.index(more.len())).unwrap();
            let fewer: BTreeSet<_> = more.iter().filter(|one| *one != gone).cloned().collect();
            let mut changed = 0;
            for own in &fewer {
                let (before, after) = (peers(&more, own, degree), peers(&fewer, own, degree));
                let lost: Vec<_> = before.difference(&after).collect();
                prop_assert!(lost.is_empty() || lost == [&gone]);
                let found = after.difference(&before).count();
                // Without others left, none takes the place of the one that is gone.
                let is_full = fewer.len() <= degree;
                prop_assert_eq!(found, if is_full { 0 } else { lost.len() });
                changed += lost.len();
            }
            prop_assert_eq!(changed, degree.min(fewer.len()));
        }

        #[test]
        fn each_place_of_a_member_has_next_ones(hosts in hosts(3), degree in 1usize..10) {
            let mut others = ring(&hosts);
            let own: BTreeSet<_> = [others.pop_first().unwrap(), others.pop_last().unwrap()].into();
            let of_both = next(&others, &own, degree);
            let of_each = own.iter().map(|own| next(&others, &[own.clone()].into(), degree));
            prop_assert_eq!(of_both, of_each.flatten().collect());
        }
    }

    #[test]
    fn the_order_is_a_contract() {
        let ring: BTreeSet<_> = (1..=5)
            .map(|host| Place::at(format!("10.0.0.{host}:4000")))
            .collect();
        let order: Vec<_> = ring.iter().map(|place| &*place.address).collect();
        let hosts = [2, 1, 4, 5, 3].map(|host| format!("10.0.0.{host}:4000"));
        assert_eq!(order, hosts);
    }

    #[test]
    fn ways_to_write_an_address_are_one_place() {
        for (one, other) in [
            ("[2001:DB8:0::1]:4000", "[2001:db8::1]:4000"),
            ("[::ffff:192.0.2.1]:4000", "192.0.2.1:4000"),
            ("W7.Example.com.:4000", "w7.example.com:4000"),
            ("bücher.example:4000", "xn--bcher-kva.example:4000"),
        ] {
            let [one, other] = [one, other].map(|text| Place::of(&text.parse().unwrap()));
            assert_eq!(one, other);
        }
        let [one, other] = ["192.0.2.1:4000", "192.0.2.1:4001"];
        assert_ne!(
            Place::of(&one.parse().unwrap()),
            Place::of(&other.parse().unwrap())
        );
    }
}
