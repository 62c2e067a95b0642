//! A target as a command line writes it: `host:port` or `name=host:port`.

use std::str::FromStr;

use tcp_echo_address::{Address, AddressError};

/// A target: where it is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetSpec {
    /// The value of the label `target`: the name given, or the address as written.
    pub name: String,
    /// Where to connect. Without a host it means this host; the port is never 0.
    pub address: Address,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Port 0, which can be listened on but not reached.
    #[error("a target's port must be from 1 to 65535")]
    PortZero,
    /// `=host:port`.
    #[error("the name is missing: write name=host:port or host:port")]
    EmptyName,
}

impl FromStr for TargetSpec {
    type Err = TargetError;

    /// `host:port`, or `name=host:port` with any name that has no `=` in it.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (name, address) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() && !address.is_empty() {
            return Err(TargetError::EmptyName);
        }
        let address: Address = address.parse()?;
        if address.port() == 0 {
            return Err(TargetError::PortZero);
        }
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_is_a_reason_to_panic(
            text in prop_oneof![any::<String>(), "[a\\[\\]:=%.0-9]{0,12}"],
        ) {
            if let Ok(target) = text.parse::<TargetSpec>() {
                prop_assert!(!target.name.is_empty() && target.address.port() != 0);
            }
        }
    }

    #[test]
    fn a_target_may_have_a_name() {
        let target: TargetSpec = "db eu/1=10.0.0.1:4000".parse().unwrap();
        assert_eq!(target.name, "db eu/1");
        assert_eq!(target.address.to_string(), "10.0.0.1:4000");
        let target: TargetSpec = ":4000".parse().unwrap();
        assert_eq!(target.name, ":4000");
        assert_eq!(target.address.host(), None);
    }

    #[test]
    fn what_is_no_target() {
        for (text, error) in [
            ("=host:80", TargetError::EmptyName),
            ("=", AddressError::MissingPort.into()),
            ("a=", AddressError::MissingPort.into()),
            ("a=b=c:80", AddressError::HostName.into()),
            ("host:0", TargetError::PortZero),
        ] {
            assert_eq!(text.parse::<TargetSpec>(), Err(error), "{text:?}");
        }
    }
}
