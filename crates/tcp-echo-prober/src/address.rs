//! Where a target is: a host and a port, as people write them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A host and a port: `name:4000`, `192.0.2.1:4000`, `[2001:db8::1]:4000`, or
/// `:4000` for this host. It prints as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: Host,
    port: u16,
}

/// The host of an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// The host that the prober runs on.
    This,
    /// An address.
    Ip(IpAddr),
    /// A name, to be looked up.
    Name(String),
}

impl Address {
    /// An address of its parts.
    pub const fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, never 0 where the address was parsed.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::This => write!(f, ":{port}"),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}:{port}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{port}"),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// ```
    /// use tcp_echo_prober::{Address, AddressError, Host};
    ///
    /// let address: Address = "[::1]:4000".parse()?;
    /// assert_eq!(address.host(), &Host::Ip("::1".parse().unwrap()));
    /// assert_eq!(":4000".parse::<Address>()?.host(), &Host::This);
    /// assert_eq!("::1".parse::<Address>(), Err(AddressError::Brackets));
    /// # Ok::<(), AddressError>(())
    /// ```
    fn from_str(written: &str) -> Result<Self, AddressError> {
        if written.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::Brackets);
        }
        let (host, port) = written.rsplit_once(':').ok_or(AddressError::NoPort)?;
        // `parse` alone would take a sign.
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
        let port = port.ok_or(AddressError::Port)?;
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(ip) => Host::Ip(IpAddr::V6(ip.parse().map_err(|_| AddressError::Host)?)),
            None if host.is_empty() => Host::This,
            None => match host.parse() {
                Ok(ip) => Host::Ip(IpAddr::V4(ip)),
                Err(_) if is_name(host) => Host::Name(host.to_owned()),
                Err(_) => return Err(AddressError::Host),
            },
        };
        Ok(Self { host, port })
    }
}

/// Whether a resolver could be asked for it: what a label of RFC 1123 or of
/// practice (underscores, and names beyond ASCII) is made of.
fn is_name(host: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    host.len() <= 253 && host.chars().all(allowed)
}

/// Why a text is not an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has no port.
    #[error("it has no port: write it as host:port")]
    NoPort,
    /// What stands where the port should is none.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// An IPv6 address stands without brackets.
    #[error("an IPv6 address wants brackets and a port, as in [::1]:4000")]
    Brackets,
    /// The host is neither a name nor an address.
    #[error("its host is neither a name nor an address")]
    Host,
}
