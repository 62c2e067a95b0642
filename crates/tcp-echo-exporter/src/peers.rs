//! How much of the endpoints each address has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many answers are made for one address at once; its others wait.
const ANSWERS: usize = 2;

/// The shares of the addresses that are connected.
#[derive(Debug)]
pub(crate) struct Peers {
    connections: usize,
    shares: HashMap<IpAddr, Share>,
}

/// The share of one address: a clone with every connection of it.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    connections: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Peers {
    /// Of `connections` at most for one address.
    pub(crate) fn new(connections: usize) -> Self {
        Self {
            connections,
            shares: HashMap::new(),
        }
    }

    /// A further connection of `ip`, unless it has its share.
    pub(crate) fn admit(&mut self, ip: IpAddr) -> Option<(Share, OwnedSemaphorePermit)> {
        let most = self.connections;
        // Whoever is gone needs no share; there are few, since connections are few.
        self.shares
            .retain(|_, share| share.connections.available_permits() < most);
        let share = self.shares.entry(network(ip)).or_insert_with(|| Share {
            connections: Arc::new(Semaphore::new(most)),
            answers: Arc::new(Semaphore::new(ANSWERS)),
        });
        let connection = Arc::clone(&share.connections).try_acquire_owned().ok()?;
        Some((share.clone(), connection))
    }
}

impl Share {
    /// The right to one more answer, when the address has it.
    pub(crate) async fn answer(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.answers).acquire_owned().await.ok()
    }
}

/// What counts as one address: an IPv6 host can take any of its /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_leaves_the_others_theirs() {
        let mut peers = Peers::new(2);
        let first = peers.admit(ip("192.0.2.1")).unwrap();
        let _second = peers.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert!(peers.admit(ip("192.0.2.1")).is_none());
        let _other = peers.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        assert!(peers.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_host_of_ipv6_is_one_whichever_address_it_takes() {
        let mut peers = Peers::new(1);
        let _first = peers.admit(ip("2001:db8::1")).unwrap();
        assert!(peers.admit(ip("2001:db8::ffff:1")).is_none());
        assert!(peers.admit(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let mut peers = Peers::new(1);
        for n in 0..100 {
            drop(peers.admit(ip(&format!("192.0.2.{n}"))).unwrap());
        }
        assert_eq!(peers.shares.len(), 1);
    }
}
