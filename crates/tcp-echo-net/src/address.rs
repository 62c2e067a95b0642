//! Addresses as written: a host and a port.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use crate::{Host, HostName, HostNameError, LinkLocal};

/// A host and a port, with the text as written.
///
/// ```
/// use tcp_echo_net::{Address, Host};
///
/// let address: Address = "[::1]:4000".parse()?;
/// assert_eq!(address.host(), Some(&Host::Ip("::1".parse().unwrap())));
/// assert_eq!(address.port(), 4000);
/// assert_eq!(address.to_string(), "[::1]:4000");
/// // No host: every address of this host to listen on, or this host as a target.
/// assert_eq!(":4000".parse::<Address>()?.host(), None);
/// # Ok::<(), tcp_echo_net::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: Option<Host>,
    port: u16,
    written: Arc<str>,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no port.
    #[error("the port is missing: write host:port, as in localhost:4000 or [::1]:4000")]
    MissingPort,
    /// Only a number, probably a port.
    #[error("write a port with a colon before it, as in :4000")]
    BarePort,
    /// The port is not a number.
    #[error("the port must be a number, as in host:4000, not the name of a service")]
    NamedPort,
    /// The port is no 16-bit number.
    #[error("the port must be from 0 to 65535")]
    PortRange,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address goes in brackets, as in [::1]:4000")]
    Unbracketed,
    /// A link-local address without its zone.
    #[error("a link-local address needs the interface that it is on, as in [fe80::1%eth0]:4000")]
    NoZone,
    /// A zone of an address that is not link-local.
    #[error("only a link-local address, fe80::/10, has an interface after a '%'")]
    Zone,
    /// Brackets around something else, or unpaired ones.
    #[error("brackets are for an IPv6 address, as in [::1]:4000")]
    Brackets,
    /// A URL.
    #[error("not a URL: write host:port alone, as in localhost:4000")]
    Url,
    /// Digits and dots that are no IPv4 address.
    #[error("not an IPv4 address, which is written as in 192.0.2.1:4000")]
    Ipv4,
    /// White space, anywhere.
    #[error("there is white space in it: remove that")]
    Space,
    /// The host is neither an IP address nor a name.
    #[error(transparent)]
    HostName(#[from] HostNameError),
    /// Several addresses in one value.
    #[error("one address at a time: write each in a flag or a line of its own")]
    List,
}

impl Address {
    /// A port without a host: every address of this host to listen on, or this host as a
    /// target.
    pub fn of_port(port: u16) -> Self {
        Self {
            host: None,
            port,
            written: format!(":{port}").into(),
        }
    }

    /// The host; `None` is every address of this host to listen on, or this host as a target.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The text as written. Clones of the address share it.
    pub fn written(&self) -> &Arc<str> {
        &self.written
    }

    /// The port. To listen on, 0 is any free port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A link-local address without a zone (a scope of 0) prints as a text that does not parse.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 && v6.ip().is_unicast_link_local() => Self {
                host: Some(Host::LinkLocal(LinkLocal {
                    ip: *v6.ip(),
                    zone: v6.scope_id().to_string(),
                })),
                port,
                written: address.to_string().into(),
            },
            _ => Self {
                host: Some(Host::Ip(ip)),
                port,
                written: SocketAddr::new(ip, port).to_string().into(),
            },
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains(char::is_whitespace) {
            return Err(AddressError::Space);
        }
        let (host, port) = split(text)?;
        let port = parse_port(port)?;
        let host = match host {
            "" => None,
            host => Some(parse_host(host)?),
        };
        Ok(Self {
            host,
            port,
            written: text.into(),
        })
    }
}

/// As written.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

/// Splits `host:port`. An IPv6 address keeps its brackets.
fn split(text: &str) -> Result<(&str, &str), AddressError> {
    if text.contains('/') {
        return Err(AddressError::Url);
    }
    let unzoned = text.split('%').next().unwrap_or(text);
    if unzoned.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::Unbracketed);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if bare {
            AddressError::BarePort
        } else {
            AddressError::MissingPort
        });
    };
    // The colon found was inside the brackets: `[::1]`.
    if port.ends_with(']') {
        return Err(AddressError::MissingPort);
    }
    Ok((host, port))
}

/// Parses a port of decimal digits. The parser of `u16` would accept `+80`.
fn parse_port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Err(AddressError::MissingPort);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| AddressError::PortRange);
    }
    let negative = text
        .strip_prefix('-')
        .is_some_and(|rest| rest.parse::<u64>().is_ok());
    Err(if negative {
        AddressError::PortRange
    } else {
        AddressError::NamedPort
    })
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    if let Some(inner) = text.strip_prefix('[') {
        return parse_bracketed(inner.strip_suffix(']').ok_or(AddressError::Brackets)?);
    }
    if text.contains(['[', ']']) {
        return Err(AddressError::Brackets);
    }
    if text.contains(',') {
        return Err(AddressError::List);
    }
    if text.contains(':') {
        return Err(AddressError::Unbracketed);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    let name: HostName = text.parse()?;
    // Digits of other scripts count, too.
    let mut ascii = name.ascii().bytes();
    if ascii.all(|byte| byte == b'.' || byte.is_ascii_digit()) {
        return Err(AddressError::Ipv4);
    }
    Ok(Host::Name(name))
}

/// Parses an IPv6 address without brackets, with a zone if it is link-local.
fn parse_bracketed(text: &str) -> Result<Host, AddressError> {
    let (ip, zone) = match text.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (text, None),
    };
    let ip: Ipv6Addr = ip.parse().map_err(|_| AddressError::Brackets)?;
    match (ip.is_unicast_link_local(), zone) {
        // No interface has the number 0.
        (true, None | Some("" | "0")) => Err(AddressError::NoZone),
        (false, None) => Ok(Host::Ip(ip.into())),
        (false, Some(_)) => Err(AddressError::Zone),
        (true, Some(zone)) if zone.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let zone = zone.to_owned();
            Ok(Host::LinkLocal(LinkLocal { ip, zone }))
        }
        (true, Some(_)) => Err(AddressError::Brackets),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn socket_addresses_are_addresses(ip: IpAddr, port: u16) {
            let address = Address::from(SocketAddr::new(ip, port));
            prop_assert_eq!((address.host(), address.port()), (Some(&Host::Ip(ip)), port));
            let without_zone = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let read = address.to_string().parse();
            prop_assert_eq!(read, if without_zone { Err(AddressError::NoZone) } else { Ok(address) });
        }

        #[test]
        fn no_text_is_a_reason_to_panic(text in prop_oneof![any::<String>(), "[a\\[\\]:=%.0-9]{0,12}"]) {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string(), text);
            }
        }
    }

    fn parsed(text: &str) -> Result<(Option<Host>, u16), AddressError> {
        let address = text.parse::<Address>()?;
        assert_eq!(address.to_string(), text);
        Ok((address.host, address.port))
    }

    fn ip(text: &str) -> Host {
        Host::Ip(text.parse().unwrap())
    }

    fn name(text: &str) -> Host {
        Host::Name(text.parse().unwrap())
    }

    fn link_local(ip: &str, zone: &str) -> Host {
        Host::LinkLocal(LinkLocal {
            ip: ip.parse().unwrap(),
            zone: zone.to_owned(),
        })
    }

    #[test]
    fn what_is_an_address() {
        for (text, host, port) in [
            (":4000", None, 4000),
            (":0", None, 0),
            (":65535", None, 65535),
            ("0.0.0.0:4000", Some(ip("0.0.0.0")), 4000),
            ("[::1]:4000", Some(ip("::1")), 4000),
            ("[0:0::1]:4000", Some(ip("::1")), 4000),
            ("[::ffff:10.0.0.1]:1", Some(ip("::ffff:10.0.0.1")), 1),
            (
                "[fe80::1%eth0]:4000",
                Some(link_local("fe80::1", "eth0")),
                4000,
            ),
            ("[FEBF::1%3]:4000", Some(link_local("febf::1", "3")), 4000),
            (
                "[fe80::1%br-lan.7]:1",
                Some(link_local("fe80::1", "br-lan.7")),
                1,
            ),
            ("größe.example:4000", Some(name("größe.example")), 4000),
            ("localhost:4000", Some(name("localhost")), 4000),
            ("db-1.example.com.:80", Some(name("db-1.example.com.")), 80),
            ("127.0.0.1.nip.io:80", Some(name("127.0.0.1.nip.io")), 80),
        ] {
            assert_eq!(parsed(text), Ok((host, port)), "{text}");
        }
    }

    #[test]
    fn what_was_not_written_prints_as_it_would_be() {
        for text in ["127.0.0.1:4000", "[::1]:4000", "[fe80::1%3]:4000"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Ok(Address::from(address)), text.parse());
        }
        let scoped: SocketAddr = "[2001:db8::1%3]:4000".parse().unwrap();
        assert_eq!(Ok(Address::from(scoped)), "[2001:db8::1]:4000".parse());
        assert_eq!(Ok(Address::of_port(4000)), ":4000".parse());
    }

    #[test]
    fn what_is_none_and_why() {
        let character = |c| AddressError::HostName(HostNameError::Character(c));
        let long = format!("{}:80", ["a"; 128].join("."));
        for (text, error) in [
            ("", AddressError::MissingPort),
            ("localhost", AddressError::MissingPort),
            ("localhost:", AddressError::MissingPort),
            ("10.0.0.1", AddressError::MissingPort),
            ("[::1]", AddressError::MissingPort),
            (":", AddressError::MissingPort),
            ("4000", AddressError::BarePort),
            ("localhost:http", AddressError::NamedPort),
            ("localhost:+80", AddressError::NamedPort),
            ("localhost:80 ", AddressError::Space),
            (" localhost:80", AddressError::Space),
            ("localhost: 80", AddressError::Space),
            ("localhost:80\n", AddressError::Space),
            ("a b:80", AddressError::Space),
            ("localhost:65536", AddressError::PortRange),
            ("localhost:-1", AddressError::PortRange),
            ("localhost:99999999999999999999", AddressError::PortRange),
            ("::1", AddressError::Unbracketed),
            ("::", AddressError::Unbracketed),
            ("::1:4000", AddressError::Unbracketed),
            ("2001:db8::1:2:3:4:5:4000", AddressError::Unbracketed),
            ("a:b:80", AddressError::Unbracketed),
            ("[::1:4000", AddressError::Brackets),
            ("::1]:4000", AddressError::Brackets),
            ("[localhost]:4000", AddressError::Brackets),
            ("[]:4000", AddressError::Brackets),
            ("fe80::1%eth0", AddressError::Unbracketed),
            ("fe80::1%eth0:4000", AddressError::Unbracketed),
            ("[fe80::1]:4000", AddressError::NoZone),
            ("[fe80::1%]:4000", AddressError::NoZone),
            ("[fe80::1%0]:4000", AddressError::NoZone),
            ("[::1%lo]:4000", AddressError::Zone),
            ("[2001:db8::1%]:4000", AddressError::Zone),
            ("[fe80::1%ü]:4000", AddressError::Brackets),
            ("[fe80:%eth0]:4000", AddressError::Brackets),
            ("tcp://localhost:80", AddressError::Url),
            ("localhost:80/path", AddressError::Url),
            ("a:80,b:80", AddressError::List),
            ("999.1.1.1:80", AddressError::Ipv4),
            ("127.1:80", AddressError::Ipv4),
            // They are read as 127.0.0.1.
            ("１２７.０.０.１:80", AddressError::Ipv4),
            ("a\u{7}b:80", character('\u{7}')),
            ("a;b:80", character(';')),
            ("*:80", character('*')),
            (&long, AddressError::HostName(HostNameError::Long)),
        ] {
            assert_eq!(parsed(text), Err(error), "{text:?}");
        }
    }
}
