//! The path of a flow through the network.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

/// A router on the way to a target, or the target itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Its distance: the TTL (IPv4) or hop limit (IPv6) that ends there.
    pub ttl: u8,
    /// Its address; `None` if nothing answered for this TTL.
    pub address: Option<IpAddr>,
    /// The time until its answer.
    pub rtt: Option<Duration>,
}

/// The way of one flow through the network, as a trace has found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The flow's own address.
    pub source: SocketAddr,
    /// The target's address.
    pub destination: SocketAddr,
    /// The hops, in order.
    pub hops: Vec<Hop>,
    /// Whether the destination itself has answered. Then it is the last hop.
    pub is_complete: bool,
    /// When the trace has ended.
    pub ended: SystemTime,
}

impl Path {
    /// The last hop that answered.
    pub fn last_hop(&self) -> Option<&Hop> {
        self.hops.iter().rfind(|hop| hop.address.is_some())
    }

    /// The links of the path: pairs of the addresses of neighbours, from the flow's own address
    /// on. Hops that did not answer are left out.
    ///
    /// The last link of a path that is not complete leads from the last hop that answered to
    /// the hop after it, if the path `known` from before has one; else to the destination.
    pub fn links(&self, known: Option<&Self>) -> Vec<(IpAddr, IpAddr)> {
        let answered = self.hops.iter().filter_map(|hop| hop.address);
        let mut nodes: Vec<_> = std::iter::once(self.source.ip()).chain(answered).collect();
        let destination = self.destination.ip();
        if !self.is_complete {
            let last = *nodes.last().unwrap_or(&destination);
            let next = known.and_then(|known| known.after(last));
            nodes.push(next.unwrap_or(destination));
        } else if nodes.last() != Some(&destination) {
            nodes.push(destination);
        }
        nodes.dedup();
        let pairs = nodes.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.collect()
    }

    /// The path with the addresses of single silent hops, where an earlier path `known` has the same
    /// neighbours: a router may limit its answers, and a packet may be lost.
    #[must_use]
    pub(crate) fn completed(mut self, known: &Self) -> Self {
        for silent in 0..self.hops.len() {
            let is_between = self.hops[silent].address.is_none()
                && self.address(silent + 1).is_some()
                && self.address(silent + 1) == known.address(silent + 1);
            let before = silent.checked_sub(1);
            let is_after = before.is_none_or(|before| {
                self.address(before).is_some() && self.address(before) == known.address(before)
            });
            if is_between && is_after {
                self.hops[silent].address = known.address(silent);
            }
        }
        self
    }

    fn address(&self, hop: usize) -> Option<IpAddr> {
        self.hops.get(hop)?.address
    }

    /// The first address on the path after this one.
    fn after(&self, address: IpAddr) -> Option<IpAddr> {
        let mut addresses = self.hops.iter().filter_map(|hop| hop.address);
        if address != self.source.ip() {
            addresses.find(|found| *found == address)?;
        }
        addresses.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hops: &[Option<u8>], is_complete: bool) -> Path {
        let hops = hops.iter().zip(1..).map(|(host, ttl)| Hop {
            ttl,
            address: host.map(ip),
            rtt: None,
        });
        Path {
            source: (ip(1), 40_000).into(),
            destination: (ip(9), 4_000).into(),
            hops: hops.collect(),
            is_complete,
            ended: SystemTime::UNIX_EPOCH,
        }
    }

    fn ip(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    fn links(hosts: &[u8]) -> Vec<(IpAddr, IpAddr)> {
        let pairs = hosts.windows(2);
        pairs.map(|pair| (ip(pair[0]), ip(pair[1]))).collect()
    }

    #[test]
    fn links_lead_from_the_source_to_the_destination() {
        let whole = path(&[Some(2), None, Some(3), Some(9)], true);
        assert_eq!(whole.links(None), links(&[1, 2, 3, 9]));
        assert_eq!(whole.last_hop().unwrap().address, Some(ip(9)));
        assert_eq!(path(&[Some(9)], true).links(None), links(&[1, 9]));
    }

    #[test]
    fn a_silent_hop_is_known_from_an_earlier_path_with_the_same_neighbours() {
        let known = path(&[Some(2), Some(3), Some(4), Some(9)], true);
        for (hops, filled) in [
            ([None, Some(3), Some(4), Some(9)], Some(2)),
            ([None, Some(5), Some(4), Some(9)], None),
        ] {
            let path = path(&hops, true).completed(&known);
            assert_eq!(path.hops[0].address, filled.map(ip));
        }
        let all = [Some(2), None, Some(4), Some(9)];
        assert_eq!(path(&all, true).completed(&known).hops, known.hops);
        let other = [Some(5), None, Some(4), Some(9)];
        assert_eq!(path(&other, true).completed(&known), path(&other, true));
        // What follows the last living hop did not answer.
        let ended = path(&[Some(2), None, None], false);
        assert_eq!(ended.clone().completed(&known), ended);
    }

    #[test]
    fn the_last_link_is_that_to_the_next_hop_as_far_as_it_is_known() {
        let whole = path(&[Some(2), Some(3), Some(4), Some(9)], true);
        let ended = path(&[Some(2), Some(3), None, None], false);
        assert_eq!(ended.links(None), links(&[1, 2, 3, 9]));
        assert_eq!(ended.links(Some(&whole)), links(&[1, 2, 3, 4]));
        assert_eq!(ended.last_hop().unwrap().ttl, 2);

        let nothing = path(&[None, None], false);
        assert_eq!(nothing.links(Some(&whole)), links(&[1, 2]));
        assert_eq!(nothing.links(None), links(&[1, 9]));
        assert_eq!(nothing.last_hop(), None);
        let elsewhere = path(&[Some(7)], false);
        assert_eq!(elsewhere.links(Some(&whole)), links(&[1, 7, 9]));
    }
}
