//! Lists of networks, and the network of a client.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use ipnet::IpNet;

/// A list of networks (CIDR, RFC 4632 and RFC 4291).
///
/// The text form separates them by commas; an address is a network of one. An IPv4-mapped IPv6
/// address (`::ffff:192.0.2.1`) counts as the IPv4 address.
///
/// ```
/// use tcp_echo_net::Networks;
///
/// let networks: Networks = "10.0.0.0/8, 2001:db8::/32, 192.0.2.1".parse()?;
/// assert!(networks.contains("10.1.2.3".parse()?));
/// assert!(networks.contains("::ffff:10.1.2.3".parse()?));
/// assert!(networks.contains("2001:db8::1".parse()?));
/// assert!(!networks.contains("192.0.2.2".parse()?));
/// assert_eq!(
///     "10.1.2.3/8".parse::<Networks>().unwrap_err().to_string(),
///     "\"10.1.2.3/8\" has bits beyond its prefix: write 10.0.0.0/8 or 10.1.2.3/32"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

/// The network that identifies a client in limits: an IPv4 address itself, and the /64 of an
/// IPv6 address, since a host can use any address in it.
///
/// ```
/// use std::net::IpAddr;
/// use tcp_echo_net::client_network;
///
/// let of = |ip: &str| client_network(ip.parse().unwrap()).to_string();
/// assert_eq!(of("192.0.2.1"), "192.0.2.1");
/// assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
/// assert_eq!(of("2001:db8::1"), "2001:db8::");
/// assert_eq!(of("2001:db8:0:1:2::3"), "2001:db8:0:1::");
/// ```
pub const fn client_network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Why a text is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworksError {
    /// An element is no network.
    #[error("{0:?} is not a network, which is written as in 10.0.0.0/8 or 2001:db8::/32")]
    Form(String),
    /// An address with bits beyond the prefix.
    #[error("{written:?} has bits beyond its prefix: write {network} or {address}")]
    Beyond {
        /// The text.
        written: String,
        /// The network of the address.
        network: IpNet,
        /// The address as a network of one.
        address: IpNet,
    },
    /// IPv4-mapped IPv6.
    #[error("{0:?} stands for IPv4 addresses: write them as such, as in 10.0.0.0/8")]
    Mapped(String),
}

impl Networks {
    /// Whether the address is in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Joins several lists.
impl FromIterator<Self> for Networks {
    fn from_iter<T: IntoIterator<Item = Self>>(lists: T) -> Self {
        let networks = lists.into_iter().flat_map(|list| list.0.to_vec());
        Self(networks.collect())
    }
}

impl FromStr for Networks {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, NetworksError> {
        let networks = text.split(',').map(|one| network(one.trim()));
        networks.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, network) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

fn network(text: &str) -> Result<IpNet, NetworksError> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| NetworksError::Form(text.to_owned()))?,
    };
    // `contains` compares canonical addresses, so none would match.
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err(NetworksError::Mapped(text.to_owned()));
    }
    if network.addr() != network.network() {
        return Err(NetworksError::Beyond {
            written: text.to_owned(),
            network: network.trunc(),
            address: network.addr().into(),
        });
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        let networks: Networks = "10.0.0.0/8,192.0.2.1,fd00::/8,::1/128".parse().unwrap();
        assert_eq!(
            networks.to_string(),
            "10.0.0.0/8,192.0.2.1/32,fd00::/8,::1/128"
        );
        for (address, inside) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("192.0.2.1", true),
            ("192.0.2.0", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:11.0.0.1", false),
            // Deprecated, and no connection is made to IPv4 by it.
            ("::10.0.0.1", false),
            // IPv4 behind a translator (RFC 6052) is another network's.
            ("64:ff9b::a00:1", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("::1", true),
            ("::", false),
            ("0.0.0.0", false),
            ("127.0.0.1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(networks.contains(address), inside, "{address}");
        }
        let all: Networks = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.255.255.255".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_says_why() {
        let form = |text: &str| NetworksError::Form(text.to_owned());
        for (text, error) in [
            ("", form("")),
            ("10.0.0.0/8,", form("")),
            ("10.0.0.0/33", form("10.0.0.0/33")),
            ("10.0.0.0/-1", form("10.0.0.0/-1")),
            ("10.0.0/8", form("10.0.0/8")),
            ("fd00::/129", form("fd00::/129")),
            ("[::1]", form("[::1]")),
            ("fe80::1%eth0", form("fe80::1%eth0")),
            ("localhost", form("localhost")),
            ("all", form("all")),
            (
                "::ffff:10.0.0.0/104",
                NetworksError::Mapped("::ffff:10.0.0.0/104".to_owned()),
            ),
        ] {
            assert_eq!(text.parse::<Networks>(), Err(error), "{text:?}");
        }
        let error = "fd00::1/8".parse::<Networks>().unwrap_err();
        assert!(error.to_string().ends_with("write fd00::/8 or fd00::1/128"));
    }

    #[test]
    fn lists_join() {
        let lists = ["10.0.0.0/8", "::1,127.0.0.0/8"].map(str::parse::<Networks>);
        let joined: Networks = lists.into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(joined.to_string(), "10.0.0.0/8,::1/128,127.0.0.0/8");
        assert!(!joined.is_empty() && Networks::default().is_empty());
    }
}
