//! A TCP socket with its options set, before it connects.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use crate::{Dscp, disable_flow_labels};

/// Options of a probing socket.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ConnectOptions {
    /// The local address, of the target's family.
    pub source: Option<IpAddr>,
    /// The local port; `None` lets the system choose one.
    ///
    /// On Unix, sockets share it (`SO_REUSEADDR`): connections from the same port to other targets,
    /// and the next one to the same target as soon as the last has ended by a reset or before its
    /// handshake. One that this host closes in order keeps the target's port for a minute.
    ///
    /// Over IPv6, packets from such a socket have the flow label 0 where the system allows it
    /// (`IPV6_AUTOFLOWLABEL`, Linux). Otherwise Linux gives each socket a random label, and another
    /// one after a timeout, so that routers that hash the label would not keep the flow on its path.
    pub source_port: Option<u16>,
    /// The network interface, by name: `SO_BINDTODEVICE` on Linux, where a socket that has no
    /// device yet needs no privilege since 5.7; `IP_BOUND_IF` and `IPV6_BOUND_IF` on macOS;
    /// refused elsewhere.
    pub interface: Option<String>,
    /// The mark of its packets.
    pub dscp: Option<Dscp>,
}

/// A socket from [`open`].
#[derive(Debug)]
#[must_use]
pub struct Opened {
    /// Non-blocking, bound, not connected. Convert it by [`std::net::TcpStream::from`] for
    /// `tokio::net::TcpSocket::from_std_stream`.
    pub socket: Socket,
    /// The mark that the system has refused, with the reason. The socket works without it.
    pub warning: Option<DscpError>,
}

/// Why [`open`] failed. Each message names the option, its value and the system's reason.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No socket: no file descriptors, no memory, or no such family on this host.
    #[error("no TCP socket for {target}: {error}")]
    Socket {
        /// The target.
        target: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
    /// Source and target are of different families.
    #[error("source {address} cannot reach {target}: one is IPv4, the other IPv6")]
    SourceFamily {
        /// [`ConnectOptions::source`].
        address: IpAddr,
        /// The target.
        target: SocketAddr,
    },
    /// The source address was refused, mostly because this host has no such address.
    #[error("cannot use source {address}: {error}")]
    Source {
        /// [`ConnectOptions::source`].
        address: IpAddr,
        /// The system's reason.
        error: io::Error,
    },
    /// The source port was refused, mostly because a socket that does not share it has it.
    #[error("cannot use source port {port}: {error}")]
    SourcePort {
        /// [`ConnectOptions::source_port`].
        port: u16,
        /// The system's reason.
        error: io::Error,
    },
    /// The interface was refused: it does not exist, or choosing one is not allowed or not
    /// possible on this system.
    #[error("cannot use interface {name:?}: {error}")]
    Interface {
        /// [`ConnectOptions::interface`].
        name: String,
        /// The system's reason.
        error: io::Error,
    },
}

impl OpenError {
    /// Whether it failed for want of a descriptor or memory, so that a later attempt may
    /// succeed; see [`is_out_of_resources`].
    pub fn is_out_of_resources(&self) -> bool {
        match self {
            Self::Socket { error, .. }
            | Self::Source { error, .. }
            | Self::SourcePort { error, .. }
            | Self::Interface { error, .. } => is_out_of_resources(error),
            Self::SourceFamily { .. } => false,
        }
    }
}

impl From<OpenError> for io::Error {
    /// An error of the system's kind.
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Socket { error, .. }
            | OpenError::Source { error, .. }
            | OpenError::SourcePort { error, .. }
            | OpenError::Interface { error, .. } => error.kind(),
            OpenError::SourceFamily { .. } => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Whether a call on a socket has failed for want of file descriptors, of the process or the
/// system, or of memory: `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, or their equivalents on Windows.
pub fn is_out_of_resources(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| OUT_OF_RESOURCES.contains(&code))
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
const OUT_OF_RESOURCES: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

/// `WSA_NOT_ENOUGH_MEMORY` and `ERROR_OUTOFMEMORY`,
/// `WSAEMFILE` and `WSAENOBUFS`.
#[cfg(windows)]
const OUT_OF_RESOURCES: [i32; 4] = [8, 14, 10_024, 10_055];

/// Of these, `EMFILE`, `ENFILE` and `ENOMEM` have the same numbers on every Unix.
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
const OUT_OF_RESOURCES: [i32; 3] = [24, 23, 12];

/// Packets go unmarked.
#[derive(Debug, Error)]
#[error("cannot mark packets with DSCP {dscp}: {error}")]
pub struct DscpError {
    /// [`ConnectOptions::dscp`].
    pub dscp: Dscp,
    /// The system's reason; [`io::ErrorKind::Unsupported`] where programs have no say in it, as
    /// on Windows.
    pub error: io::Error,
}

/// Opens a non-blocking TCP socket of the family of `target` and sets `options` on it. Does not
/// connect.
///
/// An IPv4-mapped IPv6 `target` counts as IPv6; see [`IpAddr::to_canonical`].
///
/// # Errors
///
/// [`OpenError`] if the system refuses a socket, the source or the interface: probes by another
/// path would measure the wrong thing. A refused DSCP is only a [warning](Opened::warning).
///
/// ```
/// use tcp_echo_socket::{ConnectOptions, open};
///
/// let options = ConnectOptions {
///     source: Some([127, 0, 0, 1].into()),
///     dscp: Some("ef".parse()?),
///     ..ConnectOptions::default()
/// };
/// let opened = open(([127, 0, 0, 1], 4000).into(), &options)?;
/// if let Some(warning) = &opened.warning {
///     eprintln!("{warning}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open(target: SocketAddr, options: &ConnectOptions) -> Result<Opened, OpenError> {
    let socket = unbound(target).map_err(|error| OpenError::Socket { target, error })?;
    if let Some(name) = &options.interface {
        use_interface(&socket, target, name).map_err(|error| OpenError::Interface {
            name: name.clone(),
            error,
        })?;
    }
    match (options.source, options.source_port) {
        (None, None) => {}
        (source, Some(port)) => bind_port(&socket, target, source, port)?,
        (Some(address), None) => {
            let local = local_address(address, 0, target)?;
            share_ports(&socket);
            socket
                .bind(&local.into())
                .map_err(|error| OpenError::Source { address, error })?;
        }
    }
    let warning = options.dscp.and_then(|dscp| {
        let error = mark(&socket, target, dscp).err()?;
        Some(DscpError { dscp, error })
    });
    Ok(Opened { socket, warning })
}

fn unbound(target: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(target),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind_port(
    socket: &Socket,
    target: SocketAddr,
    source: Option<IpAddr>,
    port: u16,
) -> Result<(), OpenError> {
    let address = source.unwrap_or(match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    });
    let local = local_address(address, port, target)?;
    let refused = |error: io::Error| {
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            OpenError::Source { address, error }
        } else {
            OpenError::SourcePort { port, error }
        }
    };
    // On Windows the option would let others take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true).map_err(refused)?;
    socket.bind(&local.into()).map_err(refused)?;
    if target.is_ipv6() {
        // A system without it labels flows in its own way.
        let _ = disable_flow_labels(socket);
    }
    Ok(())
}

fn local_address(source: IpAddr, port: u16, target: SocketAddr) -> Result<SocketAddr, OpenError> {
    match (source, target) {
        (IpAddr::V4(_), SocketAddr::V4(_)) => Ok(SocketAddr::new(source, port)),
        // A link-local source means nothing without the link, which the target names.
        (IpAddr::V6(ip), SocketAddr::V6(target)) => {
            Ok(SocketAddrV6::new(ip, port, 0, target.scope_id()).into())
        }
        (address, target) => Err(OpenError::SourceFamily { address, target }),
    }
}

/// Defers the choice of a port to `connect`, which knows both ends. At bind, each socket would take
/// one of the source's ephemeral ports exclusively, and ten thousand targets would use them up.
/// Before Linux 4.2 this has no effect.
#[cfg(target_os = "linux")]
fn share_ports(socket: &Socket) {
    let _ = nix::sys::socket::setsockopt(
        socket,
        nix::sys::socket::sockopt::IpBindAddressNoPort,
        &true,
    );
}

#[cfg(not(target_os = "linux"))]
fn share_ports(_: &Socket) {}

#[cfg(target_os = "linux")]
fn use_interface(socket: &Socket, _: SocketAddr, name: &str) -> io::Result<()> {
    // The kernel takes an empty name for "any" and cuts one that is too long.
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(target_os = "macos")]
fn use_interface(socket: &Socket, target: SocketAddr, name: &str) -> io::Result<()> {
    let index = std::num::NonZeroU32::new(nix::net::if_::if_nametoindex(name)?);
    match target {
        SocketAddr::V4(_) => socket.bind_device_by_index_v4(index),
        SocketAddr::V6(_) => socket.bind_device_by_index_v6(index),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn use_interface(_: &Socket, _: SocketAddr, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn mark(socket: &Socket, target: SocketAddr, dscp: Dscp) -> io::Result<()> {
    let class = u32::from(dscp.traffic_class());
    match target {
        SocketAddr::V4(_) => socket.set_tos_v4(class),
        SocketAddr::V6(_) => socket.set_tclass_v6(class),
    }
}

/// Windows takes `IP_TOS` and ignores it, which would pass for success.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn mark(_: &Socket, _: SocketAddr, _: Dscp) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, any(target_os = "linux", target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn exhausted_resources_differ_from_other_errors() {
        let target = SocketAddr::from(([127, 0, 0, 1], 4000));
        let refused = |code| {
            let error = io::Error::from_raw_os_error(code);
            OpenError::Socket { target, error }.is_out_of_resources()
        };
        assert!(
            [libc::EMFILE, libc::ENFILE, libc::ENOMEM]
                .iter()
                .all(|code| refused(*code))
        );
        assert!(!refused(libc::EACCES) && !refused(libc::EAFNOSUPPORT));
        assert!(!is_out_of_resources(&io::ErrorKind::OutOfMemory.into()));
        let address = [0; 16].into();
        assert!(!OpenError::SourceFamily { address, target }.is_out_of_resources());
    }

    #[test]
    fn the_kind_of_an_error_is_the_systems() {
        let (port, error) = (4000, io::ErrorKind::AddrInUse.into());
        let error = io::Error::from(OpenError::SourcePort { port, error });
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error
                .to_string()
                .starts_with("cannot use source port 4000: ")
        );
    }
}
