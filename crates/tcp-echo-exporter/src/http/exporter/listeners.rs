//! The accept loop.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll, time::Duration};

use tcp_echo_net::is_connection_error;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

/// Accepts connections, and pauses when the system has no resources for them, usually no file
/// descriptors.
pub(super) struct Listeners {
    sockets: Vec<TcpListener>,
    /// The length of a pause, unless a connection ends before.
    backoff: Duration,
    backoff_until: Option<Instant>,
    /// Whether the failure was logged.
    failing: bool,
}

impl Listeners {
    pub(super) const fn new(sockets: Vec<TcpListener>, backoff: Duration) -> Self {
        Self {
            sockets,
            backoff,
            backoff_until: None,
            failing: false,
        }
    }

    /// Returns the next connection, after the pause if there is one; `None` when a pause
    /// begins.
    pub(super) async fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        if let Some(until) = self.backoff_until {
            sleep_until(until).await;
            self.backoff_until = None;
        }
        loop {
            let sockets = &self.sockets;
            let accepted = poll_fn(|context| {
                let mut ready = sockets.iter().map(|one| one.poll_accept(context));
                ready.find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            match accepted.await {
                Ok(accepted) => {
                    self.failing = false;
                    return Some(accepted);
                }
                Err(error) if is_connection_error(&error) => {}
                Err(error) => {
                    self.on_error(&error);
                    return None;
                }
            }
        }
    }

    /// A connection has ended, so its file descriptor is free.
    pub(super) const fn on_closed(&mut self) {
        self.backoff_until = None;
    }

    fn on_error(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%error, "can't accept connections to the endpoints");
        }
        self.backoff_until = Some(Instant::now() + self.backoff);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// EMFILE, which has the same number on every Unix.
    const OUT_OF_FILES: i32 = 24;

    #[tokio::test]
    async fn the_pause_lasts_until_its_end_or_until_a_connection_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hour = Duration::from_secs(3600);
        let mut listeners = Listeners::new(vec![listener], hour);
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let out_of_files = io::Error::from_raw_os_error(OUT_OF_FILES);
        listeners.on_error(&out_of_files);
        let early = timeout(Duration::from_millis(50), listeners.accept()).await;
        assert!(early.is_err());
        listeners.on_closed();
        let soon = Duration::from_secs(10);
        let accepted = timeout(soon, listeners.accept()).await;
        assert!(accepted.unwrap().is_some());
        assert!(!listeners.failing);

        listeners.backoff = Duration::from_millis(50);
        listeners.on_error(&out_of_files);
        let before = Instant::now();
        let accepted = timeout(soon, listeners.accept()).await;
        assert!(accepted.unwrap().is_some());
        assert!(before.elapsed() >= listeners.backoff);
    }
}
