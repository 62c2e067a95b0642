//! The accept loop.

use std::{future::poll_fn, net::SocketAddr, task::Poll, time::Instant};

use tcp_echo_net::AcceptPause;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep_until,
};

/// Accepts connections, and pauses when the system has no resources for them, usually no file
/// descriptors.
pub(super) struct Listeners {
    sockets: Vec<TcpListener>,
    pause: AcceptPause,
}

impl Listeners {
    pub(super) const fn new(sockets: Vec<TcpListener>) -> Self {
        Self {
            sockets,
            pause: AcceptPause::new("endpoints"),
        }
    }

    /// Returns the next connection, after the pause if there is one; `None` when a pause
    /// begins.
    pub(super) async fn accept(&mut self) -> Option<(TcpStream, SocketAddr)> {
        if let Some(until) = self.pause.until() {
            sleep_until(until.into()).await;
        }
        loop {
            let sockets = &self.sockets;
            let accepted = poll_fn(|context| {
                let mut ready = sockets.iter().map(|one| one.poll_accept(context));
                ready.find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            match accepted.await {
                Ok(accepted) => {
                    self.pause.on_accepted(Instant::now());
                    return Some(accepted);
                }
                Err(error) => {
                    if self.pause.on_error(&error, Instant::now()) {
                        return None;
                    }
                }
            }
        }
    }

    /// A connection has ended, so its file descriptor is free.
    pub(super) const fn on_closed(&mut self) {
        self.pause.on_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_pause_lasts_until_its_end_or_until_a_connection_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut listeners = Listeners::new(vec![listener]);
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let shortage = io::ErrorKind::OutOfMemory.into();
        let in_an_hour = Instant::now() + Duration::from_secs(3600);
        assert!(listeners.pause.on_error(&shortage, in_an_hour));
        let early = timeout(Duration::from_millis(50), listeners.accept()).await;
        assert!(early.is_err());
        listeners.on_closed();
        let soon = Duration::from_secs(10);
        let accepted = timeout(soon, listeners.accept()).await;
        assert!(accepted.unwrap().is_some());
        assert_eq!(listeners.pause.until(), None);

        assert!(listeners.pause.on_error(&shortage, Instant::now()));
        let until = listeners.pause.until().unwrap();
        let accepted = timeout(soon, listeners.accept()).await;
        assert!(accepted.unwrap().is_some());
        assert!(Instant::now() >= until);
    }
}
