//! What belongs to this host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Whether an address is one of this host.
///
/// The system sends from an address of its own to itself, so the question is what it would send
/// from. Nothing is sent. That holds for addresses of every interface, and needs no list of them.
///
/// ```
/// use tcp_echo_net::is_local;
///
/// assert!(is_local([127, 0, 0, 1].into()));
/// assert!(!is_local([198, 51, 100, 1].into()));
/// ```
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // Loopback is a network, and what is sent within it may be from another address there.
    address.is_loopback() || source_to(address).is_ok_and(|source| source.to_canonical() == address)
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

    #[test]
    fn addresses_of_others_are_not_local() {
        assert!(is_local(Ipv4Addr::new(127, 0, 0, 53).into()));
        assert!(is_local(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()));
        for address in ["198.51.100.7", "2001:db8::7", "255.255.255.255"] {
            assert!(!is_local(address.parse().unwrap()), "{address}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_host_has_a_name() {
        assert!(host_name().is_some());
    }
}
