//! One SYN of a trace.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use tcp_echo_socket::{
    SockRef, SocketErrorKind, begin_connect, is_self_connected, read_error_queue,
    segments_received, set_error_queue, set_hop_limit,
};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::TraceError;
use crate::SocketOptions;

/// What a SYN led to.
pub(super) struct Attempt {
    /// The address and port that it was sent from.
    pub(super) source: SocketAddr,
    pub(super) answer: Answer,
    /// The time to the answer, or that of the silence.
    pub(super) elapsed: Duration,
}

pub(super) enum Answer {
    /// A router dropped the SYN since it had travelled as many hops as it might.
    TimeExceeded(Option<IpAddr>),
    /// A router or the destination's host can't or won't deliver it.
    Unreachable(Option<IpAddr>),
    /// The handshake is complete.
    Connected(TcpStream),
    /// The destination refused the connection.
    Refused,
    /// Nobody answered in time.
    Silence,
}

/// How much longer to wait if something has come from the destination that completes no handshake: the
/// answer to an earlier SYN, which was late, or an acknowledgement for an earlier connection. The kernel
/// rejects it, and sends the SYN again after some milliseconds, or on older systems after a second.
const HEARD_WAIT: Duration = Duration::from_millis(1500);

/// Sends a SYN that may travel `ttl` hops, and waits for an answer, at most as long as time is `left`. A
/// socket without a connection is closed when this returns or is dropped, and sends nothing then.
pub(super) async fn send_syn(
    destination: SocketAddr,
    options: &SocketOptions,
    ttl: NonZeroU8,
    wait: Duration,
    left: Duration,
) -> Result<Attempt, TraceError> {
    let socket = tcp_echo_socket::open(destination, options)?.socket;
    let prepared = set_hop_limit(&socket, Some(ttl))
        .and_then(|()| set_error_queue(&socket, true))
        // If the handshake ends as the wait does, a reset leaves the port free.
        .and_then(|()| socket.set_linger(Some(Duration::ZERO)));
    prepared.map_err(TraceError::Prepare)?;
    let failed = |error| TraceError::Connect { destination, error };
    let started = Instant::now();
    begin_connect(&socket, destination).map_err(failed)?;
    let source = socket
        .local_addr()
        .and_then(|address| {
            address
                .as_socket()
                .ok_or(io::ErrorKind::NotConnected.into())
        })
        .map_err(failed)?;
    let stream = TcpStream::from_std(socket.into()).map_err(failed)?;
    let listen = |wait| timeout(wait, stream.async_io(Interest::WRITABLE, || told(&stream)));
    let mut told = listen(wait.min(left)).await;
    if told.is_err() && segments_received(&stream).is_ok_and(|count| count > 0) {
        told = listen(HEARD_WAIT.min(left.saturating_sub(started.elapsed()))).await;
    }
    let elapsed = started.elapsed();
    let answer = match told {
        Ok(Ok(Told::Answer(answer))) => answer,
        Ok(Ok(Told::Connected)) => connected(stream).map_err(failed)?,
        Ok(Err(error)) => return Err(failed(error)),
        Err(_) => Answer::Silence,
    };
    Ok(Attempt {
        source,
        answer,
        elapsed,
    })
}

enum Told {
    Answer(Answer),
    Connected,
}

/// Returns what is known of the handshake; [`io::ErrorKind::WouldBlock`] if nothing is.
fn told(stream: &TcpStream) -> io::Result<Told> {
    // Before the socket's own error, which does not say who reported it. It may also be missing: an
    // answer that comes while the kernel is still sending leaves the handshake in progress.
    while let Some(error) = read_error_queue(stream)? {
        match error.kind {
            SocketErrorKind::TimeExceeded => {
                return Ok(Told::Answer(Answer::TimeExceeded(error.offender)));
            }
            SocketErrorKind::Unreachable => {
                return Ok(Told::Answer(Answer::Unreachable(error.offender)));
            }
            SocketErrorKind::Other => {}
        }
    }
    match stream.take_error()? {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(Told::Answer(Answer::Refused))
        }
        Some(error) => Err(error),
        None if stream.peer_addr().is_ok() => Ok(Told::Connected),
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Makes an ordinary connection of the one that the trace has opened.
fn connected(stream: TcpStream) -> io::Result<Answer> {
    if is_self_connected(&stream)? {
        return Ok(Answer::Refused);
    }
    set_hop_limit(&stream, None)?;
    // From now on what a router says is a soft error.
    set_error_queue(&stream, false)?;
    SockRef::from(&stream).set_linger(None)?;
    Ok(Answer::Connected(stream))
}
