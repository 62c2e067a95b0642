//! Letting connections in.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::Poll,
    time::{Duration, Instant},
};

use axum::{Extension, Router, extract::ConnectInfo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::OwnedSemaphorePermit,
    time::sleep,
};

use crate::peers::{Peers, Share};

/// How long to wait when no connection can be accepted, for want of files as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is said that clients are refused.
const QUIET: Duration = Duration::from_secs(60);

/// Accepts connections.
pub(super) struct Door {
    listeners: Vec<TcpListener>,
    /// Whether that it fails was said.
    failing: bool,
    peers: Peers,
    /// Before when it need not be said again that somebody was refused.
    quiet_until: Option<Instant>,
}

/// A connection that was let in.
pub(super) struct Guest {
    pub(super) stream: TcpStream,
    peer: SocketAddr,
    share: Share,
    /// Held while it is served.
    pub(super) place: OwnedSemaphorePermit,
}

impl Guest {
    /// The router as this connection's requests see it.
    pub(super) fn introduced_to(&self, router: Router) -> Router {
        router
            .layer(Extension(ConnectInfo(self.peer)))
            .layer(Extension(self.share.clone()))
    }
}

impl Door {
    /// Lets so many connections of one address in.
    pub(super) fn new(listeners: Vec<TcpListener>, connections_per_ip: usize) -> Self {
        Self {
            listeners,
            failing: false,
            peers: Peers::new(connections_per_ip),
            quiet_until: None,
        }
    }

    /// The next connection of whoever has not had their share.
    pub(super) async fn accept(&mut self) -> Guest {
        loop {
            let (stream, peer) = self.next().await;
            if let Some((share, place)) = self.peers.admit(peer.ip()) {
                return Guest {
                    stream,
                    peer,
                    share,
                    place,
                };
            }
            let now = Instant::now();
            if self.quiet_until.is_none_or(|until| now >= until) {
                tracing::warn!(%peer, "too many connections to the endpoints from one address");
                self.quiet_until = Some(now + QUIET);
            }
        }
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let listeners = &self.listeners;
            let accepted = poll_fn(|context| {
                let mut ready = listeners.iter().map(|one| one.poll_accept(context));
                ready.find(Poll::is_ready).unwrap_or(Poll::Pending)
            });
            match accepted.await {
                Ok(accepted) => {
                    self.failing = false;
                    return accepted;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(%error, "can't accept connections to the endpoints");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether the peer gave up before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
