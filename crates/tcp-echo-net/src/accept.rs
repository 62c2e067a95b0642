//! What errors of accepting mean.

use std::io;

/// Whether `accept` failed for the one connection that it took from the queue, so that the next
/// may be accepted at once. Linux reports an error that is pending on the new socket in this way
/// (accept(2)). Any other failure would most likely come again at once, and be a busy loop.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use tcp_echo_net::is_connection_error;
///
/// assert!(is_connection_error(&ErrorKind::ConnectionAborted.into()));
/// assert!(!is_connection_error(&ErrorKind::OutOfMemory.into()));
/// ```
pub fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::ConnectionRefused
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::TimedOut
            | Kind::Interrupted
    )
}
