//! Listening addresses as people write them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// An address to listen on, as it is written on a command line.
///
/// | written | listens on |
/// |---|---|
/// | `:4000`, `[::]:4000` | every address of the host, IPv4 and IPv6 |
/// | `0.0.0.0:4000` | every IPv4 address |
/// | `192.0.2.1:4000`, `[2001:db8::1]:4000`, `[fe80::1%eth0]:4000` | that address |
/// | `localhost:4000` | the first address of that name that works, IPv4 before IPv6 |
///
/// Where a host has no IPv6, `:4000` is every IPv4 address, while `[::]:4000` is an error. Port 0
/// lets the system choose a port.
///
/// ```
/// use tcp_echo_server::ListenAddr;
///
/// let all: ListenAddr = ":4000".parse()?;
/// assert_eq!(all.port(), 4000);
/// assert_eq!(all.to_string(), ":4000");
/// assert!("4000".parse::<ListenAddr>().is_err());
/// # Ok::<(), tcp_echo_server::ParseListenAddrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr {
    pub(crate) host: Host,
    port: u16,
}

/// The part before the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// Every address of both families.
    All,
    /// One address.
    Address(SocketAddr),
    /// A name, or an address with a zone, for the system's resolver.
    Name(String),
}

impl ListenAddr {
    /// Every address of the host, of both families.
    pub const fn all(port: u16) -> Self {
        Self {
            host: Host::All,
            port,
        }
    }

    /// The port; 0 where the system is to choose.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: Host::Address(address),
            port: address.port(),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::All => write!(f, ":{}", self.port),
            Host::Address(address) => address.fmt(f),
            Host::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Text that is not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseListenAddrError {
    /// There is no colon before a port.
    #[error("no port in {0:?}: expected host:port or :port")]
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("bad port in {0:?}: expected a number from 0 to 65535")]
    BadPort(String),
    /// An IPv6 address without brackets, or with wrong ones.
    #[error("bad host in {0:?}: an IPv6 address is written [address]:port")]
    BadHost(String),
}

impl FromStr for ListenAddr {
    type Err = ParseListenAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'))
            .ok_or_else(|| ParseListenAddrError::NoPort(text.to_owned()))?;
        // `u16::from_str` takes a sign.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseListenAddrError::BadPort(text.to_owned()));
        }
        let port = port
            .parse()
            .map_err(|_| ParseListenAddrError::BadPort(text.to_owned()))?;
        if host.is_empty() {
            return Ok(Self::all(port));
        }
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let name = bracketed.unwrap_or(host);
        if name.contains(['[', ']']) || name.contains(':') != bracketed.is_some() {
            return Err(ParseListenAddrError::BadHost(text.to_owned()));
        }
        let host = match name.parse::<IpAddr>() {
            Ok(ip) => Host::Address(SocketAddr::new(ip, port)),
            Err(_) if bracketed.is_some() && !name.contains('%') => {
                return Err(ParseListenAddrError::BadHost(text.to_owned()));
            }
            Err(_) => Host::Name(name.to_owned()),
        };
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, ListenAddr, ParseListenAddrError};

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            ":4000",
            ":0",
            "0.0.0.0:4000",
            "127.0.0.1:65535",
            "[::]:4000",
            "[2001:db8::1]:4000",
            "[fe80::1%eth0]:4000",
            "localhost:4000",
            "echo.example.net:7",
        ] {
            let address: ListenAddr = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let named: ListenAddr = "localhost:4000".parse().unwrap();
        assert_eq!(named.host, Host::Name("localhost".to_owned()));
        let all: ListenAddr = ":4000".parse().unwrap();
        assert_eq!(all, ListenAddr::all(4000));
    }

    #[test]
    fn what_is_no_address_says_why() {
        use ParseListenAddrError as E;
        for (text, error) in [
            ("", E::NoPort as fn(String) -> E),
            ("4000", E::NoPort),
            ("localhost", E::NoPort),
            ("[::1]", E::NoPort),
            (":", E::BadPort),
            (":+1", E::BadPort),
            (":65536", E::BadPort),
            (":http", E::BadPort),
            ("::1:4000", E::BadHost),
            ("[127.0.0.1]:4000", E::BadHost),
            ("[::g]:4000", E::BadHost),
            ("[[::1]]:4000", E::BadHost),
            ("[]:4000", E::BadHost),
        ] {
            assert_eq!(text.parse::<ListenAddr>(), Err(error(text.to_owned())));
        }
    }
}
