//! What stands where an address could: an address, or a name that stands for many.

use std::{fmt, str::FromStr};

use hickory_resolver::proto::rr::Name;
use tcp_echo_prober::{Address, AddressError, Host};

/// Where the targets of one line of a list are.
///
/// ```
/// use tcp_echo_targets::Endpoint;
///
/// let one: Endpoint = "web.example.com:4000".parse()?;
/// assert!(matches!(one, Endpoint::Address(_)));
/// let all: Endpoint = "dns+web.example.com:4000".parse()?;
/// assert!(matches!(&all, Endpoint::Dns { host, port: 4000 } if host == "web.example.com"));
/// let service: Endpoint = "srv+_echo._tcp.example.com".parse()?;
/// assert_eq!(service.to_string(), "srv+_echo._tcp.example.com");
/// # Ok::<(), tcp_echo_targets::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `host:port`: one target. A name is looked up by the prober, which connects to
    /// one of its addresses.
    Address(Address),
    /// `dns+host:port`: a target for every address (A and AAAA) of a name.
    Dns {
        /// The name.
        host: String,
        /// The port of all of them.
        port: u16,
    },
    /// `srv+_service._tcp.domain`: a target for every host and port of a name's SRV
    /// records (RFC 2782), whatever their priority and weight.
    Srv {
        /// The name.
        service: String,
    },
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The port is 0, to which nothing can connect.
    #[error("a target's port must be from 1 to 65535")]
    PortZero,
    /// An address after `dns+`.
    #[error("dns+ goes before a name and a port, as in dns+web.example.com:4000")]
    NoName,
    /// A port after the name of a service.
    #[error("the port comes from the SRV records: write srv+_echo._tcp.example.com")]
    SrvPort,
    /// What follows `dns+` or `srv+` is no name of the domain name system.
    #[error("not a name that the domain name system can have")]
    BadName,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(service) = text.strip_prefix("srv+") {
            if service.contains(':') {
                return Err(EndpointError::SrvPort);
            }
            let service = checked_name(service)?;
            return Ok(Self::Srv { service });
        }
        let rest = text.strip_prefix("dns+");
        let address: Address = rest.unwrap_or(text).parse()?;
        if address.port() == 0 {
            return Err(EndpointError::PortZero);
        }
        match (rest, address.host()) {
            (None, _) => Ok(Self::Address(address)),
            // A colon: an IPv6 address with a zone.
            (Some(_), Some(Host::Name(host))) if !host.contains(':') => Ok(Self::Dns {
                host: checked_name(host)?,
                port: address.port(),
            }),
            (Some(_), _) => Err(EndpointError::NoName),
        }
    }
}

fn checked_name(name: &str) -> Result<String, EndpointError> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '\\');
    match Name::from_utf8(name) {
        Ok(parsed) if parsed.num_labels() > 0 && !name.contains(odd) => Ok(name.to_owned()),
        _ => Err(EndpointError::BadName),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Dns { host, port } => write!(f, "dns+{host}:{port}"),
            Self::Srv { service } => write!(f, "srv+{service}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, error) in [
            ("", EndpointError::Address(AddressError::MissingPort)),
            ("web", EndpointError::Address(AddressError::MissingPort)),
            ("web:0", EndpointError::PortZero),
            ("dns+web:0", EndpointError::PortZero),
            ("dns+web", EndpointError::Address(AddressError::MissingPort)),
            ("dns+:4000", EndpointError::NoName),
            ("dns+192.0.2.1:4000", EndpointError::NoName),
            ("dns+[::1]:4000", EndpointError::NoName),
            ("dns+[fe80::1%eth0]:4000", EndpointError::NoName),
            ("dns+a..b:4000", EndpointError::BadName),
            ("srv+_echo._tcp.example.com:4000", EndpointError::SrvPort),
            ("srv+", EndpointError::BadName),
            ("srv+.", EndpointError::BadName),
            ("srv+a/b", EndpointError::BadName),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text:?}");
        }
        let long = format!("srv+{}", "a".repeat(64));
        assert_eq!(long.parse::<Endpoint>(), Err(EndpointError::BadName));
    }

    proptest! {
        #[test]
        fn no_text_is_a_reason_to_panic(
            text in prop_oneof![any::<String>(), "(dns|srv)\\+[a-z_.\\[\\]:%ü0-9]{0,20}"]
        ) {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
        }
    }
}
