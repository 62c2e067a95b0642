//! A host to probe as `ping` takes it: the port may be missing.

use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::{NamedEndpoint, NamedEndpointError};

/// The port of the echo server.
const PORT: u16 = 4000;

/// A target as an argument of a command line: a [`NamedEndpoint`] that may lack its port, which
/// is 4000 then.
///
/// ```
/// use tcp_echo_targets::HostArgument;
///
/// for (argument, name, endpoint) in [
///     ("db.example.com", "db.example.com", "db.example.com:4000"),
///     ("db=10.0.0.5:7", "db", "10.0.0.5:7"),
///     ("2001:db8::1", "2001:db8::1", "[2001:db8::1]:4000"),
/// ] {
///     let HostArgument(target) = argument.parse()?;
///     assert_eq!((&*target.name, &*target.endpoint.to_string()), (name, endpoint));
/// }
/// # Ok::<(), tcp_echo_targets::HostArgumentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostArgument(pub NamedEndpoint);

/// Why a text is no [`HostArgument`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostArgumentError {
    /// It is empty.
    #[error("the host is missing")]
    Empty,
    /// It looks like a flag.
    #[error("no host begins with '-'")]
    Flag,
    /// It looks like the value of a boolean flag.
    #[error("write the value of a boolean flag after '=', as in -verbose={0}")]
    Boolean(String),
    /// An IPv6 address, or a shorter one and a port.
    #[error("with the port it is {with_port}, and without one [{host}]: write one of them")]
    Ambiguous {
        /// The text as a host.
        host: String,
        /// The same with its last group as the port.
        with_port: String,
    },
    /// The target is invalid.
    #[error(transparent)]
    Target(#[from] NamedEndpointError),
}

impl FromStr for HostArgument {
    type Err = HostArgumentError;

    /// `host`, `host:port`, `dns+host` or `srv+name`, optionally after `name=`. An IPv6 address
    /// needs brackets only before a port, and where its last group could be one.
    fn from_str(text: &str) -> Result<Self, HostArgumentError> {
        if text.starts_with('-') {
            return Err(HostArgumentError::Flag);
        }
        if let "true" | "false" = text {
            return Err(HostArgumentError::Boolean(text.to_owned()));
        }
        let (name, host) = text.split_once('=').unwrap_or((text, text));
        if host.is_empty() {
            return Err(HostArgumentError::Empty);
        }
        if name.is_empty() {
            return Err(NamedEndpointError::EmptyName.into());
        }
        let endpoint = with_port(host)?.parse();
        Ok(Self(NamedEndpoint {
            name: name.to_owned(),
            endpoint: endpoint.map_err(NamedEndpointError::Endpoint)?,
        }))
    }
}

/// The host with its port. What is no host is left to the parser of endpoints.
fn with_port(host: &str) -> Result<String, HostArgumentError> {
    if let Some(name) = host.strip_prefix("dns+") {
        return Ok(format!("dns+{}", with_port(name)?));
    }
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit());
    if host.starts_with("srv+") || is_number || host.contains('/') {
        return Ok(host.to_owned());
    }
    if is_ipv6(host) {
        return match ambiguous(host) {
            Some(error) => Err(error),
            None => Ok(format!("[{host}]:{PORT}")),
        };
    }
    let is_alone = host.ends_with(']') || !host.contains(':');
    Ok(if is_alone {
        format!("{host}:{PORT}")
    } else {
        host.to_owned()
    })
}

/// Whether it is an IPv6 address without brackets, with or without a zone.
fn is_ipv6(host: &str) -> bool {
    let unzoned = host.split('%').next().unwrap_or(host);
    unzoned.parse::<Ipv6Addr>().is_ok()
}

/// The error of an IPv6 address that is one without its last group, too.
fn ambiguous(host: &str) -> Option<HostArgumentError> {
    let (shorter, last) = host.rsplit_once(':')?;
    let is_port = last.parse::<u16>().is_ok_and(|port| port > 0) && !last.starts_with('0');
    (is_port && is_ipv6(shorter)).then(|| HostArgumentError::Ambiguous {
        host: host.to_owned(),
        with_port: format!("[{shorter}]:{last}"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tcp_echo_prober::{AddressError, HostNameError};

    use super::*;
    use crate::EndpointError;

    fn parsed(text: &str) -> Result<(String, String), HostArgumentError> {
        let HostArgument(target) = text.parse()?;
        Ok((target.name, target.endpoint.to_string()))
    }

    #[test]
    fn a_missing_port_is_4000() {
        for (text, name, endpoint) in [
            ("db", "db", "db:4000"),
            ("db:7", "db:7", "db:7"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1:4000"),
            ("db eu/1=192.0.2.1", "db eu/1", "192.0.2.1:4000"),
            ("a=b:7", "a", "b:7"),
            (":7", ":7", ":7"),
            ("::1", "::1", "[::1]:4000"),
            ("::", "::", "[::]:4000"),
            ("[::1]", "[::1]", "[::1]:4000"),
            ("[::1]:7", "[::1]:7", "[::1]:7"),
            ("2001:db8::1", "2001:db8::1", "[2001:db8::1]:4000"),
            (
                "2001:db8::a:beef",
                "2001:db8::a:beef",
                "[2001:db8::a:beef]:4000",
            ),
            (
                "1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7:8",
                "[1:2:3:4:5:6:7:8]:4000",
            ),
            ("a=fe80::1%eth0", "a", "[fe80::1%eth0]:4000"),
        ] {
            let expected = Ok((name.to_owned(), endpoint.to_owned()));
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }

    #[cfg(feature = "discovery")]
    #[test]
    fn a_name_of_many_addresses_has_the_port_too() {
        for (text, endpoint) in [
            ("dns+web", "dns+web:4000"),
            ("dns+web:7", "dns+web:7"),
            ("a=srv+_echo._tcp.example.com", "srv+_echo._tcp.example.com"),
        ] {
            assert_eq!(parsed(text).unwrap().1, endpoint, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_host_says_why() {
        let address = |error| {
            let endpoint = NamedEndpointError::Endpoint(EndpointError::Address(error));
            HostArgumentError::Target(endpoint)
        };
        let character = |c| address(AddressError::HostName(HostNameError::Character(c)));
        for (text, error) in [
            ("", HostArgumentError::Empty),
            ("a=", HostArgumentError::Empty),
            ("=a", NamedEndpointError::EmptyName.into()),
            ("-count", HostArgumentError::Flag),
            ("true", HostArgumentError::Boolean("true".to_owned())),
            ("4000", address(AddressError::BarePort)),
            ("http://a", address(AddressError::Url)),
            ("a,b", address(AddressError::List)),
            ("a b", address(AddressError::Space)),
            ("a:http", address(AddressError::NamedPort)),
            ("a:", address(AddressError::MissingPort)),
            ("127.1", address(AddressError::Ipv4)),
            ("fe80::1", address(AddressError::NoZone)),
            ("[a]", address(AddressError::Brackets)),
            ("*", character('*')),
        ] {
            assert_eq!(parsed(text), Err(error), "{text:?}");
        }
        let error = parsed("a=::1:4000").unwrap_err().to_string();
        assert_eq!(
            error,
            "with the port it is [::1]:4000, and without one [::1:4000]: write one of them"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in prop_oneof![any::<String>(), "(dns|srv)?\\+?[a\\[\\]:=%.0-9-]{0,12}"],
        ) {
            if let Ok(HostArgument(target)) = text.parse::<HostArgument>() {
                prop_assert!(!target.name.is_empty());
            }
        }
    }
}
