//! Options of a connected stream.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// TCP keepalive: idle time and interval.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// Sets `TCP_NODELAY`, so that no probe waits for the acknowledgement of the one before (RFC 896),
/// and keepalive after [`KEEPALIVE`] of silence, to detect a peer that has vanished.
///
/// # Errors
///
/// The system's, of the first refused option. The stream is still usable.
pub fn configure_stream<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    let stream = stream.into();
    stream.set_tcp_nodelay(true)?;
    stream.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE),
    )
}

/// Whether a socket is connected to itself: its local address equals that of its peer.
///
/// By a simultaneous open (RFC 9293, section 3.5), a socket can connect to itself if nothing
/// listens at an address of this host and the system picks the target's port as the source port.
/// It then reads everything that it writes, as from an echo server.
///
/// # Errors
///
/// The system's, such as for a stream that is not connected any more.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?)?;
/// assert!(!tcp_echo_socket::is_self_connected(&stream)?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_self_connected<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<bool> {
    let stream = stream.into();
    let ends = [stream.local_addr()?, stream.peer_addr()?];
    // Only address and port: a flow label is no part of an endpoint.
    let [local, peer] = ends.map(|end| end.as_socket().map(|end| (end.ip(), end.port())));
    Ok(local.is_some() && local == peer)
}

/// Drops a stream with a reset, and discards unsent and unacknowledged data (`SO_LINGER` of zero):
/// no state lingers on either end, and a dead peer causes no further retransmissions.
///
/// With an `Arc` or a reference, the reset is sent when the last owner is dropped.
///
/// # Errors
///
/// The system's, if it refuses the option. The stream is dropped anyway.
///
/// ```
/// use std::io::{ErrorKind, Read};
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?)?;
/// let (mut peer, _) = listener.accept()?;
///
/// tcp_echo_socket::abort(stream)?;
/// let seen = peer.read(&mut [0; 16]).map_err(|error| error.kind());
/// assert_eq!(seen, Err(ErrorKind::ConnectionReset));
/// # Ok::<(), std::io::Error>(())
/// ```
#[expect(
    clippy::needless_pass_by_value,
    reason = "the stream ends here, by drop"
)]
pub fn abort<S>(stream: S) -> io::Result<()>
where
    for<'s> SockRef<'s>: From<&'s S>,
{
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}

/// Takes the soft error of an established connection (`SO_ERROR`): what a router or the host said of
/// the peer while TCP goes on trying (RFC 1122, section 4.2.3.9), such as
/// [`io::ErrorKind::HostUnreachable`]. `None` without any since the last call or acknowledgement.
///
/// On a connection that has failed it takes the error that the next read would return, so ask only
/// while it lives.
pub fn soft_error<'s>(stream: impl Into<SockRef<'s>>) -> Option<io::Error> {
    stream.into().take_error().ok().flatten()
}

/// Makes the kernel acknowledge at once rather than with the next segment (`TCP_QUICKACK`). The
/// kernel leaves this mode by itself, so repeat the call after each read.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn set_quickack<'s>(stream: impl Into<SockRef<'s>>, on: bool) -> io::Result<()> {
    let stream = stream.into();
    #[cfg(target_os = "linux")]
    return stream.set_tcp_quickack(on);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (stream, on);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Sets how long a read polls the network device before it sleeps (`SO_BUSY_POLL`), in whole
/// microseconds: less latency for more CPU, if the driver supports it. Zero disables it.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::PermissionDenied`] for more than `net.core.busy_read` without
/// `CAP_NET_ADMIN`, [`io::ErrorKind::Unsupported`] other than on Linux.
pub fn set_busy_poll<'s>(stream: impl Into<SockRef<'s>>, duration: Duration) -> io::Result<()> {
    let stream = stream.into();
    let micros =
        i32::try_from(duration.as_micros()).map_or(i32::MAX.unsigned_abs(), i32::unsigned_abs);
    #[cfg(target_os = "linux")]
    return stream.set_busy_poll(micros);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (stream, micros);
        Err(io::ErrorKind::Unsupported.into())
    }
}
