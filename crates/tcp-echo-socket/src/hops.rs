//! How far and on which path packets go, and what has come back before a handshake is complete.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU8;

use socket2::{SockRef, Socket};

/// Sets how many hops the packets of `socket` may travel: the TTL of IPv4, the hop limit of IPv6.
/// `None` restores the system's default.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn set_hop_limit<'s>(
    socket: impl Into<SockRef<'s>>,
    hops: Option<NonZeroU8>,
) -> io::Result<()> {
    sys::set_hop_limit(&socket.into(), hops)
}

/// Sends the packets of an IPv6 `socket` with the flow label 0 (`IPV6_AUTOFLOWLABEL`), so that all
/// sockets of the same addresses and ports look the same to routers.
///
/// # Errors
///
/// The system's, for a socket of IPv4 too; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn disable_flow_labels<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    sys::disable_flow_labels(&socket.into())
}

/// Starts to connect a non-blocking `socket`, and does not wait. It becomes writable when the
/// handshake has ended, with success or not.
///
/// # Errors
///
/// The system's, except that the handshake is in progress.
pub fn begin_connect<'s>(socket: impl Into<SockRef<'s>>, target: SocketAddr) -> io::Result<()> {
    match socket.into().connect(&target.into()) {
        Err(error) if is_in_progress(&error) => Ok(()),
        ended => ended,
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

/// How many segments have come on a TCP socket, before its handshake is complete too: a peer that
/// holds an older connection from this port answers a new SYN with an acknowledgement (RFC 5961,
/// section 4), which completes nothing. 32 bits, wrapping.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] before Linux 4.2 and on other systems.
pub fn segments_received<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<u32> {
    sys::segments_received(&socket.into())
}

#[cfg(target_os = "linux")]
mod sys {
    use std::os::fd::AsRawFd as _;

    use socket2::Domain;

    use super::{NonZeroU8, Socket, io};
    use crate::tcp_info::tcp_option;

    /// `tcpi_segs_in` of `struct tcp_info`, since Linux 4.2.
    const SEGS_IN: usize = 140;

    pub(super) fn set_hop_limit(socket: &Socket, hops: Option<NonZeroU8>) -> io::Result<()> {
        // The kernel reads it as a signed number, and -1 as its default.
        let hops = hops.map_or(u32::MAX, |hops| hops.get().into());
        if socket.domain()? == Domain::IPV6 {
            socket.set_unicast_hops_v6(hops)?;
        }
        // An IPv6 socket sends to an IPv4-mapped address with the TTL.
        socket.set_ttl_v4(hops)
    }

    #[expect(unsafe_code, reason = "no library sets this option")]
    pub(super) fn disable_flow_labels(socket: &Socket) -> io::Result<()> {
        let off: libc::c_int = 0;
        let len = libc::socklen_t::try_from(size_of_val(&off))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the descriptor is open for as long as `socket` is borrowed. The kernel reads `len`
        // bytes of `off`, which has as many and outlives the call, and keeps no pointer.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_IPV6,
                libc::IPV6_AUTOFLOWLABEL,
                (&raw const off).cast(),
                len,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    pub(super) fn segments_received(socket: &Socket) -> io::Result<u32> {
        let mut info = [0; SEGS_IN + 4];
        let info = tcp_option(socket, libc::TCP_INFO, &mut info)?;
        let count = info.get(SEGS_IN..).and_then(|count| count.first_chunk());
        count
            .map(|count| u32::from_ne_bytes(*count))
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use super::{NonZeroU8, Socket, io};

    pub(super) fn set_hop_limit(_: &Socket, _: Option<NonZeroU8>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn disable_flow_labels(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn segments_received(_: &Socket) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
