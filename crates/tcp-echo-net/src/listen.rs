//! Opening listeners.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{Address, Host};

/// The backlog of a listener. The kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Why it is not possible to listen on an address. The message names the address, the source the
/// cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The name was not found.
    #[error("cannot look up {address} to listen on it")]
    Lookup {
        /// The address as written.
        address: Address,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The address is in use, not of this host, or privileged.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as written.
        address: Address,
        /// The error of the system.
        source: io::Error,
    },
}

/// Listens on an address. The listeners don't block.
///
/// | written | listens on |
/// |---|---|
/// | `:4000`, `[::]:4000` | every address of the host, IPv4 and IPv6 |
/// | `0.0.0.0:4000` | every IPv4 address |
/// | `192.0.2.1:4000`, `[2001:db8::1]:4000`, `[fe80::1%eth0]:4000` | that address |
/// | `localhost:4000` | the first address of that name that works, IPv4 before IPv6 |
///
/// Without IPv6, `:4000` is every IPv4 address, while `[::]:4000` is an error. Port 0 is any free
/// port.
///
/// One listener is enough as a rule. Where the system cannot serve both families with one
/// socket (OpenBSD), "every address" is two, which share one port.
///
/// # Errors
///
/// [`BindError`], when the name is not found or no socket can listen there.
///
/// # Panics
///
/// Outside a tokio runtime, which looks names up.
pub async fn listen(address: &Address) -> Result<Vec<TcpListener>, BindError> {
    let port = address.port();
    let listened = match address.host() {
        None => all(port),
        Some(Host::Ip(ip)) => {
            let address = SocketAddr::new(*ip, port);
            bind(address, Families::of(address)).map(|one| vec![one])
        }
        Some(Host::LinkLocal(host)) => {
            if let Ok(addresses) = tokio::net::lookup_host((host.to_string(), port)).await {
                first(addresses.collect()).map(|one| vec![one])
            } else {
                // The resolver's own error is that the name does not exist.
                let missing = format!("there is no network interface {:?}", host.zone);
                Err(io::Error::new(io::ErrorKind::NotFound, missing))
            }
        }
        Some(Host::Name(name)) => {
            let found = tokio::net::lookup_host((name.ascii(), port)).await;
            let addresses = found.map_err(|source| BindError::Lookup {
                address: address.clone(),
                source,
            })?;
            first(addresses.collect()).map(|one| vec![one])
        }
    };
    listened.map_err(|source| BindError::Listen {
        address: address.clone(),
        source,
    })
}

/// Registers listeners with the current tokio runtime.
///
/// # Errors
///
/// When the system refuses one.
///
/// # Panics
///
/// Outside a tokio runtime with I/O enabled.
pub fn adopt(
    listeners: impl IntoIterator<Item = TcpListener>,
) -> io::Result<Vec<tokio::net::TcpListener>> {
    let adopt_one = |listener: TcpListener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    };
    listeners.into_iter().map(adopt_one).collect()
}

/// Listens on the first address that works, IPv4 before IPv6.
fn first(mut addresses: Vec<SocketAddr>) -> io::Result<TcpListener> {
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match bind(address, Families::of(address)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Listens on every address of both families.
fn all(port: u16) -> io::Result<Vec<TcpListener>> {
    let any_v4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let any_v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match bind(any_v6, Families::Both) {
        Ok(both) => Ok(vec![both]),
        Err(error) if !is_without_family(&error) => Err(error),
        // Without IPv6, or without dual-stack sockets.
        Err(_) => match bind(any_v6, Families::One) {
            Ok(v6) => {
                let v4 = bind(any_v4(v6.local_addr()?.port()), Families::One)?;
                Ok(vec![v6, v4])
            }
            Err(_) => Ok(vec![bind(any_v4(port), Families::One)?]),
        },
    }
}

/// Whether binding failed for want of the address family or of dual-stack sockets, rather than
/// because of the port.
fn is_without_family(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

/// The families that one socket serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Families {
    One,
    Both,
}

impl Families {
    fn of(address: SocketAddr) -> Self {
        if address.is_ipv6() && address.ip().is_unspecified() {
            Self::Both
        } else {
            Self::One
        }
    }
}

fn bind(address: SocketAddr, families: Families) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Allows a restarted server to bind while old connections linger. On Windows the option
    // would take over the port of another program.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The default is a system setting.
        socket.set_only_v6(families == Families::One)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{first, is_without_family};

    #[test]
    fn a_port_in_use_is_no_want_of_ipv6() {
        assert!(!is_without_family(&io::ErrorKind::AddrInUse.into()));
        assert!(!is_without_family(&io::ErrorKind::PermissionDenied.into()));
        assert!(is_without_family(&io::ErrorKind::AddrNotAvailable.into()));
        #[cfg(target_os = "linux")]
        assert!(is_without_family(&io::Error::from_raw_os_error(97)));
    }

    #[test]
    fn of_a_names_addresses_the_first_that_works_is_taken_ipv4_first() {
        let ours = "127.0.0.1:0".parse().unwrap();
        // 192.0.2.0/24 is for documentation: no host has it.
        let foreign = "192.0.2.1:0".parse().unwrap();
        let v6 = "[::1]:0".parse().unwrap();
        let listener = first(vec![v6, foreign, ours]).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), ours.ip());
        let error = first(vec![foreign]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }
}
