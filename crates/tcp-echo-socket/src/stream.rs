//! Options of a connected stream.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection is silent before the system asks whether the peer is there, and how long
/// it waits between such questions.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// Sets what both ends of an echo connection have: `TCP_NODELAY`, so that no probe waits for the
/// acknowledgement of the one before (RFC 896), and keep-alive after [`KEEPALIVE`] of silence, so
/// that a peer that vanished is noticed.
///
/// # Errors
///
/// The system's, of the first option that it refused. The stream is usable all the same.
pub fn configure_stream<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    let stream = stream.into();
    stream.set_tcp_nodelay(true)?;
    stream.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE),
    )
}

/// Whether a connection has this very socket at its other end: its local address is its peer's.
///
/// TCP lets a socket connect to itself, by a simultaneous open (RFC 9293, section 3.5), where
/// nothing listens at an address of this host and the system happens to pick the port that is
/// connected to for the socket's own. Everything that is written then comes back, as though an echo
/// server were there.
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
    // Address and port alone: a flow label is not of an end.
    let [local, peer] = ends.map(|end| end.as_socket().map(|end| (end.ip(), end.port())));
    Ok(local.is_some() && local == peer)
}

/// Drops a stream so that the connection ends with a reset, at once, whatever is unsent or
/// unacknowledged (`SO_LINGER` of zero): no state lingers on either end, and a dead peer costs no
/// further retransmission.
///
/// With an `Arc` or a reference, the reset comes when the last owner is dropped.
///
/// # Errors
///
/// The system's, where it refused the option; the stream is dropped all the same.
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

/// Asks the kernel to acknowledge at once rather than with the next segment (`TCP_QUICKACK`).
/// The kernel leaves that mode by itself, so this is said again after each read where it matters.
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

/// Lets a read that finds nothing poll the network device for so long, in whole microseconds,
/// before it sleeps (`SO_BUSY_POLL`): less latency for more CPU, where the driver supports it.
/// Zero switches it off.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::PermissionDenied`] where a process without `CAP_NET_ADMIN` asks
/// for more than `net.core.busy_read` gives, [`io::ErrorKind::Unsupported`] other than on Linux.
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
