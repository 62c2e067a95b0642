//! A target on the command line: `host:port` or `name=host:port`.

use std::str::FromStr;

use tcp_echo_targets::{Endpoint, EndpointError};

/// A target: its name and its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetSpec {
    /// The value of the label `target`: the name given, or the address as written.
    pub name: String,
    /// Its address, or a name with many addresses.
    pub endpoint: Endpoint,
}

/// A text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The endpoint is invalid.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// `=host:port`.
    #[error("the name is missing: use name=host:port or host:port")]
    EmptyName,
}

impl FromStr for TargetSpec {
    type Err = TargetError;

    /// `host:port`, `dns+host:port` or `srv+name`, optionally after `name=`. The name has no `=`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (name, endpoint) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() && !endpoint.is_empty() {
            return Err(TargetError::EmptyName);
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
    use tcp_echo_net::{AddressError, HostNameError};

    proptest! {
        #[test]
        fn no_text_panics(
            text in prop_oneof![any::<String>(), "[a\\[\\]:=%.0-9]{0,12}"],
        ) {
            if let Ok(target) = text.parse::<TargetSpec>() {
                prop_assert!(!target.name.is_empty());
            }
        }
    }

    #[test]
    fn a_target_may_have_a_name() {
        let target: TargetSpec = "db eu/1=10.0.0.1:4000".parse().unwrap();
        assert_eq!(target.name, "db eu/1");
        assert_eq!(target.endpoint.to_string(), "10.0.0.1:4000");
        let target: TargetSpec = ":4000".parse().unwrap();
        assert_eq!(target.name, ":4000");
        assert!(matches!(target.endpoint, Endpoint::Address(address) if address.host().is_none()));
    }

    #[cfg(feature = "discovery")]
    #[test]
    fn a_target_may_be_a_name_of_many() {
        let target: TargetSpec = "web=srv+_echo._tcp.example.com".parse().unwrap();
        assert!(matches!(target.endpoint, Endpoint::Srv { .. }));
    }

    #[test]
    fn invalid_targets() {
        let address = |error| TargetError::Endpoint(EndpointError::Address(error));
        for (text, error) in [
            #[cfg(not(feature = "discovery"))]
            ("a=dns+b:1", EndpointError::MissingFeature.into()),
            ("=host:80", TargetError::EmptyName),
            ("=", address(AddressError::MissingPort)),
            ("a=", address(AddressError::MissingPort)),
            (
                "a=b=c:80",
                address(AddressError::HostName(HostNameError::Character('='))),
            ),
            ("host:0", EndpointError::Port.into()),
        ] {
            assert_eq!(text.parse::<TargetSpec>(), Err(error), "{text:?}");
        }
    }
}
