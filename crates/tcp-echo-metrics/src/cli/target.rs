//! A target as a command line writes it: `host:port` or `name=host:port`.

use std::str::FromStr;

use tcp_echo_targets::{Endpoint, EndpointError};

/// A target: where it is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetSpec {
    /// The value of the label `target`: the name given, or the address as written.
    pub name: String,
    /// Where it is, or the name that stands for many.
    pub endpoint: Endpoint,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// What stands for the address is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// `=host:port`.
    #[error("the name is missing: write name=host:port or host:port")]
    EmptyName,
}

impl FromStr for TargetSpec {
    type Err = TargetError;

    /// `host:port`, `dns+host:port` or `srv+name`, or one of them behind `name=`, with
    /// any name that has no `=` in it.
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
        fn no_text_is_a_reason_to_panic(
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
        let target: TargetSpec = "web=srv+_echo._tcp.example.com".parse().unwrap();
        assert!(matches!(target.endpoint, Endpoint::Srv { .. }));
    }

    #[test]
    fn what_is_no_target() {
        let address = |error| TargetError::Endpoint(EndpointError::Address(error));
        for (text, error) in [
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
