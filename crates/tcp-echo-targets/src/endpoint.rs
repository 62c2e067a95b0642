//! Endpoints: an address, or a name of many addresses.

use std::{fmt, str::FromStr};

use tcp_echo_prober::{Address, AddressError, HostNameError};
#[cfg(feature = "discovery")]
use tcp_echo_prober::{Host, HostName};

/// The endpoint of an entry.
///
/// ```
/// use tcp_echo_targets::Endpoint;
///
/// let one: Endpoint = "web.example.com:4000".parse()?;
/// assert!(matches!(one, Endpoint::Address(_)));
/// # #[cfg(feature = "discovery")] {
/// let all: Endpoint = "dns+web.example.com:4000".parse()?;
/// assert!(matches!(&all, Endpoint::Dns { host, port: 4000 } if host.ascii() == "web.example.com"));
/// let service: Endpoint = "srv+_echo._tcp.example.com".parse()?;
/// assert_eq!(service.to_string(), "srv+_echo._tcp.example.com");
/// # }
/// # Ok::<(), tcp_echo_targets::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `host:port`: one target. A name is looked up by the prober, which connects to
    /// one of its addresses.
    Address(Address),
    /// `dns+host:port`, with the feature `discovery`: a target for every address (A and AAAA) of a name.
    #[cfg(feature = "discovery")]
    Dns {
        /// The name.
        host: HostName,
        /// The port of all targets.
        port: u16,
    },
    /// `srv+_service._tcp.domain`, with the feature `discovery`: a target for every host and port of a name's SRV
    /// records (RFC 2782), whatever their priority and weight.
    #[cfg(feature = "discovery")]
    Srv {
        /// The name.
        service: HostName,
    },
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Nothing can connect to the port: it is 0, or no 16-bit number.
    #[error("a target's port must be from 1 to 65535")]
    Port,
    /// An address after `dns+`.
    #[error("dns+ goes before a name and a port, as in dns+web.example.com:4000")]
    NoName,
    /// A port after the name of a service.
    #[error("the port comes from the SRV records: write srv+_echo._tcp.example.com")]
    SrvPort,
    /// The text after `srv+` is no name.
    #[error(transparent)]
    Name(#[from] HostNameError),
    /// A name with many addresses, without the feature `discovery`.
    #[error("dns+ and srv+ names need a build with the feature discovery")]
    MissingFeature,
}

impl Endpoint {
    /// The address, unless it is a name with many.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            #[cfg(feature = "discovery")]
            Self::Dns { .. } | Self::Srv { .. } => None,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(service) = text.strip_prefix("srv+") {
            return services(service);
        }
        if let Some(rest) = text.strip_prefix("dns+") {
            return addresses(rest);
        }
        Ok(Self::Address(address(text)?))
    }
}

fn address(text: &str) -> Result<Address, EndpointError> {
    let address: Address = match text.parse() {
        Ok(address) => address,
        Err(AddressError::PortRange) => return Err(EndpointError::Port),
        Err(error) => return Err(error.into()),
    };
    if address.port() == 0 {
        return Err(EndpointError::Port);
    }
    Ok(address)
}

#[cfg(feature = "discovery")]
fn addresses(text: &str) -> Result<Endpoint, EndpointError> {
    let address = address(text)?;
    match address.host() {
        Some(Host::Name(host)) => Ok(Endpoint::Dns {
            host: host.clone(),
            port: address.port(),
        }),
        _ => Err(EndpointError::NoName),
    }
}

#[cfg(feature = "discovery")]
fn services(text: &str) -> Result<Endpoint, EndpointError> {
    if text.contains(':') {
        return Err(EndpointError::SrvPort);
    }
    Ok(Endpoint::Srv {
        service: text.parse()?,
    })
}

#[cfg(not(feature = "discovery"))]
const fn addresses(_text: &str) -> Result<Endpoint, EndpointError> {
    Err(EndpointError::MissingFeature)
}

#[cfg(not(feature = "discovery"))]
const fn services(_text: &str) -> Result<Endpoint, EndpointError> {
    Err(EndpointError::MissingFeature)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            #[cfg(feature = "discovery")]
            Self::Dns { host, port } => write!(f, "dns+{host}:{port}"),
            #[cfg(feature = "discovery")]
            Self::Srv { service } => write!(f, "srv+{service}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[cfg(not(feature = "discovery"))]
    #[test]
    fn names_of_many_addresses_are_refused_by_the_name_of_the_feature() {
        for text in ["dns+web:4000", "srv+_echo._tcp.example.com", "dns+", "srv+"] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().contains("feature discovery"), "{error}");
        }
    }

    #[cfg(feature = "discovery")]
    #[test]
    fn what_is_no_endpoint_says_why() {
        let name = |error| EndpointError::Address(AddressError::HostName(error));
        for (text, error) in [
            ("", EndpointError::Address(AddressError::MissingPort)),
            ("web", EndpointError::Address(AddressError::MissingPort)),
            ("web:0", EndpointError::Port),
            ("dns+web:0", EndpointError::Port),
            ("dns+web", EndpointError::Address(AddressError::MissingPort)),
            ("dns+:4000", EndpointError::NoName),
            ("dns+192.0.2.1:4000", EndpointError::NoName),
            ("dns+[::1]:4000", EndpointError::NoName),
            ("dns+[fe80::1%eth0]:4000", EndpointError::NoName),
            ("web:70000", EndpointError::Port),
            ("dns+web:70000", EndpointError::Port),
            ("dns+a..b:4000", name(HostNameError::EmptyLabel)),
            ("dns+web:4000 ", EndpointError::Address(AddressError::Space)),
            ("dns+a;b:4000", name(HostNameError::Character(';'))),
            ("srv+_echo._tcp.example.com:4000", EndpointError::SrvPort),
            ("srv+", HostNameError::Empty.into()),
            ("srv+.", HostNameError::EmptyLabel.into()),
            ("srv+a/b", HostNameError::Character('/').into()),
            ("srv+a ", HostNameError::Character(' ').into()),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text:?}");
        }
        let long = format!("srv+{}", "a".repeat(64));
        assert_eq!(
            long.parse::<Endpoint>(),
            Err(HostNameError::LongLabel.into())
        );
    }

    #[cfg(feature = "discovery")]
    #[test]
    fn names_of_all_scripts_are_written_as_given_and_looked_up_in_ascii() {
        let text = "dns+größe.example:4000";
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert!(
            matches!(endpoint, Endpoint::Dns { host, .. } if host.ascii() == "xn--gre-6ka8i.example")
        );
        let text = "srv+_echo._tcp.größe.example";
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert!(
            matches!(endpoint, Endpoint::Srv { service } if service.ascii() == "_echo._tcp.xn--gre-6ka8i.example")
        );
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
