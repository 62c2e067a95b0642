//! What belongs to this host.

#[cfg(unix)]
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The addresses of this host, as they were when they were read.
///
/// Two are equal if the host has the same addresses. Where the system has no list of them, as on
/// Windows or in a sandbox without netlink, it is asked for each address, and all are equal.
///
/// ```
/// use tcp_echo_net::LocalAddresses;
///
/// let own = LocalAddresses::read();
/// assert!(own.contains([127, 0, 0, 1].into()));
/// assert!(!own.contains([198, 51, 100, 1].into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// Those of all interfaces; `None` if the system has no list.
    #[cfg(unix)]
    listed: Option<BTreeSet<IpAddr>>,
}

impl LocalAddresses {
    /// Reads the addresses of all interfaces.
    #[must_use]
    pub fn read() -> Self {
        Self {
            #[cfg(unix)]
            listed: interfaces().ok(),
        }
    }

    /// Whether an address is one of this host, or stands for it, as `0.0.0.0` does for a client.
    /// All of the loopback network are.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() {
            return true;
        }
        #[cfg(unix)]
        if let Some(listed) = &self.listed {
            return listed.contains(&address);
        }
        is_source(address)
    }
}

#[cfg(unix)]
fn interfaces() -> io::Result<BTreeSet<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs()?;
    let addresses = all.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
    });
    Ok(addresses.collect())
}

/// Whether the system would send from an address to itself, as it does for its own. Nothing is
/// sent.
fn is_source(address: IpAddr) -> bool {
    source_to(address).is_ok_and(|source| source.to_canonical() == address)
}

/// The address that a datagram to another one would have.
fn source_to(address: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // The port is that of `discard`. A datagram would reach it, but none is sent.
    socket.connect((address, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// The name of this host as the system has it; `None` if that is no text.
#[must_use]
pub fn host_name() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok()?;
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that no host has, and one that all hosts share.
    const OTHERS: [&str; 3] = ["198.51.100.7", "2001:db8::7", "255.255.255.255"];

    #[test]
    fn addresses_of_others_are_not_local() {
        let own = LocalAddresses::read();
        for address in ["127.0.0.53", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"] {
            assert!(own.contains(address.parse().unwrap()), "{address}");
        }
        for address in OTHERS {
            assert!(!own.contains(address.parse().unwrap()), "{address}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn without_a_list_the_system_is_asked() {
        let asked = LocalAddresses { listed: None };
        let listed = LocalAddresses::read();
        let own = listed.listed.clone().unwrap();
        assert!(own.contains(&Ipv4Addr::LOCALHOST.into()), "{own:?}");
        let is_link_local =
            |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        for address in own.iter().filter(|ip| !is_link_local(ip)) {
            assert!(asked.contains(*address), "{address}");
        }
        for address in OTHERS {
            assert!(!asked.contains(address.parse().unwrap()), "{address}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_host_has_a_name() {
        assert!(host_name().is_some());
    }
}
