//! From an address as written to the addresses that can be connected to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

use crate::{Address, Host, IpVersion, dial::DialError, link_local};

/// How long a look-up may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks names up, a bounded number at once.
#[derive(Clone)]
pub(crate) struct Resolver {
    permits: Arc<Semaphore>,
    ip: IpVersion,
}

impl Resolver {
    /// One that has so many look-ups under way at once: the system's resolver blocks
    /// a thread for each, for as long as it likes.
    pub(crate) fn new(ip: IpVersion, at_once: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(at_once)),
            ip,
        }
    }

    /// The addresses of `address`, in the order in which to try them; at least one.
    pub(crate) async fn resolve(&self, address: &Address) -> Result<Vec<SocketAddr>, DialError> {
        let port = address.port();
        let found = match address.host() {
            Some(Host::Ip(ip)) => vec![SocketAddr::new(*ip, port)],
            None => [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
            .map(|ip| SocketAddr::new(ip, port))
            .to_vec(),
            Some(Host::LinkLocal(host)) => vec![link_local::with_scope(host, port)?],
            Some(Host::Name(name)) => {
                let name = name.ascii().to_owned();
                let found = self.look_up(name, port).await;
                found.map_err(DialError::LookUp)?
            }
        };
        let addresses = in_turn(found, self.ip);
        if addresses.is_empty() {
            let missing = match self.ip {
                IpVersion::Auto => "it has no address",
                IpVersion::V4 => "it has no IPv4 address",
                IpVersion::V6 => "it has no IPv6 address",
            };
            let error = io::Error::new(io::ErrorKind::NotFound, missing);
            return Err(DialError::LookUp(error));
        }
        Ok(addresses)
    }

    async fn look_up(&self, name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let permits = self.permits.clone();
        let look_up = async move {
            // The permit goes with the thread that blocks: a look-up that was given
            // up still takes its place until the resolver lets go of it.
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                std::net::ToSocketAddrs::to_socket_addrs(&(&*name, port)).map(Iterator::collect)
            })
            .await
            .map_err(io::Error::other)?
        };
        timeout(PATIENCE, look_up)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the resolver does not answer"))?
    }
}

/// The addresses of the families wanted, one of each family in turn, the family of
/// the first one first (RFC 8305, section 4), each once.
fn in_turn(found: Vec<SocketAddr>, ip: IpVersion) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .filter(|address| match ip {
            IpVersion::Auto => true,
            IpVersion::V4 => address.is_ipv4(),
            IpVersion::V6 => address.is_ipv6(),
        })
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut addresses = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return addresses;
        }
        for address in pair.into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_nothing_comes_twice() {
        let found = list(&["[::1]:1", "[::2]:1", "[::1]:1", "1.1.1.1:1", "1.1.1.2:1"]);
        assert_eq!(
            in_turn(found.clone(), IpVersion::Auto),
            list(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1"])
        );
        assert_eq!(
            in_turn(found.clone(), IpVersion::V4),
            list(&["1.1.1.1:1", "1.1.1.2:1"])
        );
        assert_eq!(in_turn(found, IpVersion::V6), list(&["[::1]:1", "[::2]:1"]));
    }

    #[tokio::test]
    async fn names_resolve_or_fail_by_themselves() {
        let resolver = Resolver::new(IpVersion::Auto, 1);
        let this = resolver.resolve(&":4000".parse().unwrap()).await.unwrap();
        assert_eq!(this, list(&["127.0.0.1:4000", "[::1]:4000"]));
        let name = "localhost:4000".parse().unwrap();
        assert!(!resolver.resolve(&name).await.unwrap().is_empty());
        let bad = "no-such-name.invalid:4000".parse().unwrap();
        assert!(resolver.resolve(&bad).await.is_err());
        let v4 = "127.0.0.1:1".parse().unwrap();
        let error = Resolver::new(IpVersion::V6, 1)
            .resolve(&v4)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot look it up: it has no IPv6 address"
        );
    }
}
