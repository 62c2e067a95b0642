//! Accepting, and what to do when that fails.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::ServerStats;
use crate::episode::Episode;

/// How long to wait before accepting again when the system has run out of something.
const BACKOFF: Duration = Duration::from_millis(100);

/// Accepts connections, and waits where the system is short of what a connection needs.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<TcpListener>,
    retry_at: Option<Instant>,
    failing: Episode,
}

impl Acceptor {
    pub(crate) fn new(listeners: Vec<TcpListener>) -> Self {
        Self {
            listeners,
            retry_at: None,
            failing: Episode::default(),
        }
    }

    /// The next connection. Failures are counted, logged as they begin and end, and waited out.
    ///
    /// Cancel safe: no connection is lost and no wait cut short when the future is dropped.
    pub(crate) async fn next(&mut self, stats: &ServerStats) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(retry_at) = self.retry_at {
                tokio::time::sleep_until(retry_at).await;
                self.retry_at = None;
            }
            match self.accept().await {
                Ok(accepted) => {
                    if self.failing.ended(std::time::Instant::now()) {
                        tracing::info!("connections are accepted again");
                    }
                    return accepted;
                }
                Err(error) => {
                    stats.on_accept_error();
                    if is_of_one_connection(&error) {
                        tracing::debug!(%error, "a connection was gone before it was accepted");
                        continue;
                    }
                    if self.failing.event(std::time::Instant::now()) {
                        tracing::warn!(%error, "connections cannot be accepted, trying on");
                    }
                    self.retry_at = Some(Instant::now() + BACKOFF);
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            for listener in &self.listeners {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Whether the failure took one waiting connection with it, so that the next may be accepted at
/// once. Linux reports an error that is pending on the new socket in this way (accept(2)).
/// Any other failure would most likely come again at once, and be a busy loop.
fn is_of_one_connection(error: &io::Error) -> bool {
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

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use super::is_of_one_connection;

    #[test]
    fn what_runs_out_is_no_matter_of_one_connection() {
        // EMFILE and ENFILE have the same numbers on every Unix.
        for number in [24, 23] {
            assert!(!is_of_one_connection(&io::Error::from_raw_os_error(number)));
        }
        assert!(!is_of_one_connection(&io::ErrorKind::OutOfMemory.into()));
        assert!(is_of_one_connection(
            &io::ErrorKind::ConnectionAborted.into()
        ));
    }
}
