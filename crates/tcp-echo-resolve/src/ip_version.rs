//! Address families.

use std::net::IpAddr;

/// Which address families of a name are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// Both families, interleaved (RFC 8305).
    #[default]
    Auto,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl IpVersion {
    /// Whether `address` is of such a family.
    pub const fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Auto => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}
