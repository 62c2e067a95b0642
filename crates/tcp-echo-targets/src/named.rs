//! An endpoint with a name, as on a command line: `host:port` or `name=host:port`.

use std::str::FromStr;

use crate::{Endpoint, EndpointError};

/// An endpoint with a name.
///
/// ```
/// use tcp_echo_targets::NamedEndpoint;
///
/// let target: NamedEndpoint = "db=10.0.0.5:4000".parse()?;
/// assert_eq!(target.name, "db");
/// assert_eq!("10.0.0.5:4000".parse::<NamedEndpoint>()?.name, "10.0.0.5:4000");
/// # Ok::<(), tcp_echo_targets::NamedEndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedEndpoint {
    /// The value of the label `target`: the name given, or the address as written.
    pub name: String,
    /// Its address, or a name with many addresses.
    pub endpoint: Endpoint,
}

/// Why a text is no [`NamedEndpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamedEndpointError {
    /// The endpoint is invalid.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// `=host:port`.
    #[error("the name is missing: use name=host:port or host:port")]
    EmptyName,
}

impl FromStr for NamedEndpoint {
    type Err = NamedEndpointError;

    /// `host:port`, `dns+host:port` or `srv+name`, optionally after `name=`. The name has no `=`.
    fn from_str(text: &str) -> Result<Self, NamedEndpointError> {
        let (name, endpoint) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() && !endpoint.is_empty() {
            return Err(NamedEndpointError::EmptyName);
        }
        Ok(Self {
            name: name.to_owned(),
            endpoint: endpoint.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tcp_echo_prober::{AddressError, HostNameError};

    proptest! {
        #[test]
        fn no_text_panics(
            text in prop_oneof![any::<String>(), "[a\\[\\]:=%.0-9]{0,12}"],
        ) {
            if let Ok(target) = text.parse::<NamedEndpoint>() {
                prop_assert!(!target.name.is_empty());
            }
        }
    }

    #[test]
    fn a_target_may_have_a_name() {
        let target: NamedEndpoint = "db eu/1=10.0.0.1:4000".parse().unwrap();
        assert_eq!(target.name, "db eu/1");
        assert_eq!(target.endpoint.to_string(), "10.0.0.1:4000");
        let target: NamedEndpoint = ":4000".parse().unwrap();
        assert_eq!(target.name, ":4000");
        assert!(matches!(target.endpoint, Endpoint::Address(address) if address.host().is_none()));
    }

    #[cfg(feature = "discovery")]
    #[test]
    fn a_target_may_be_a_name_of_many() {
        let target: NamedEndpoint = "web=srv+_echo._tcp.example.com".parse().unwrap();
        assert!(matches!(target.endpoint, Endpoint::Srv { .. }));
    }

    #[test]
    fn invalid_targets() {
        let address = |error| NamedEndpointError::Endpoint(EndpointError::Address(error));
        for (text, error) in [
            #[cfg(not(feature = "discovery"))]
            ("a=dns+b:1", EndpointError::MissingFeature.into()),
            ("=host:80", NamedEndpointError::EmptyName),
            ("=", address(AddressError::MissingPort)),
            ("a=", address(AddressError::MissingPort)),
            (
                "a=b=c:80",
                address(AddressError::HostName(HostNameError::Character('='))),
            ),
            ("host:0", EndpointError::Port.into()),
        ] {
            assert_eq!(text.parse::<NamedEndpoint>(), Err(error), "{text:?}");
        }
    }
}
