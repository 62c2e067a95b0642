//! Fuzzes addresses, endpoints, targets, networks and shards: parsing the printed form returns the same
//! value, and networks contain the addresses that bit arithmetic says.

use std::{
    fmt::{Debug, Display},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use tcp_echo_net::{Address, AddressError, Host, Networks};
use tcp_echo_targets::{Endpoint, NamedEndpoint, Shard};

use crate::text::is_clean_line;

/// The input is an IP address of 16 bytes, a port, then a text.
pub fn run(data: &[u8]) {
    let Some((ip, rest)) = data.split_first_chunk::<16>() else {
        return;
    };
    let Some((port, text)) = rest.split_first_chunk::<2>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let port = u16::from_le_bytes(*port);
    let v6 = Ipv6Addr::from(*ip);
    let v4 = Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]);
    for ip in [IpAddr::V6(v6), IpAddr::V4(v4)] {
        let address = Address::from(SocketAddr::new(ip, port));
        let read = address.to_string().parse::<Address>();
        match ip {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                assert_eq!(read, Err(AddressError::NoZone));
            }
            _ => assert_eq!(read.as_ref(), Ok(&address)),
        }
        assert_eq!(
            (address.host(), address.port()),
            (Some(&Host::Ip(ip)), port)
        );
    }
    assert_eq!(Ok(Address::of_port(port)), format!(":{port}").parse());

    if let Some(address) = round_trip::<Address>(text) {
        assert_eq!(address.to_string(), text);
        if let Some(Host::Name(name)) = address.host() {
            assert!(is_clean_line(&name.to_string()));
            assert!(name.ascii().is_ascii());
        }
    }
    round_trip::<Endpoint>(text);
    round_trip::<Shard>(text);
    match text.parse::<NamedEndpoint>() {
        Ok(target) => assert!(!target.name.is_empty()),
        Err(error) => assert!(is_clean_line(&error.to_string())),
    }
    if let Some(networks) = round_trip::<Networks>(text) {
        for ip in [IpAddr::V4(v4), IpAddr::V6(v6)] {
            assert_eq!(
                networks.contains(ip),
                has(&networks.to_string(), ip),
                "{ip}"
            );
        }
    }
}

/// Parses a text and checks that the printed form has the same value.
fn round_trip<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(value) => {
            let again = value.to_string().parse::<T>().ok();
            assert_eq!(again.as_ref(), Some(&value));
            Some(value)
        }
        Err(error) => {
            assert!(is_clean_line(&error.to_string()), "{error}");
            None
        }
    }
}

/// Returns whether any network of a printed list contains the address, by bit arithmetic.
fn has(networks: &str, ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks
        .split(',')
        .filter(|one| !one.is_empty())
        .any(|one| {
            let (network, length) = one.split_once('/').unwrap();
            let network: IpAddr = network.parse().unwrap();
            let length: u32 = length.parse().unwrap();
            let (a, b, width) = match (network, ip) {
                (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a).into(), u32::from(b).into(), 32),
                (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
                _ => return false,
            };
            // All bits of the prefix are equal.
            (a ^ b).checked_shr(width - length).unwrap_or(0) == 0
        })
}
