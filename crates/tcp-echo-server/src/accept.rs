//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Once;
use std::time::Instant;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use tcp_echo_net::{AcceptPause, LogLimiter};

use crate::{RejectReason, ServerStats, options};

/// Accepts connections from several listeners in turn, with a pause after errors.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    /// The listener that accepted last.
    next: usize,
    pause: AcceptPause,
    rejections: [LogLimiter; RejectReason::ALL.len()],
    failed_option: Once,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// Connections may wait here.
    is_ready: bool,
}

impl Acceptor {
    /// Registers listeners with the poller, the n-th one as `token(n)`.
    pub(crate) fn register(
        listeners: Vec<std::net::TcpListener>,
        registry: &Registry,
        token: impl Fn(usize) -> Token,
    ) -> io::Result<Self> {
        let mut acceptor = Self {
            listeners: Vec::with_capacity(listeners.len()),
            next: 0,
            pause: AcceptPause::new("echo server"),
            rejections: Default::default(),
            failed_option: Once::new(),
        };
        for (n, listener) in listeners.into_iter().enumerate() {
            acceptor.note_failed_option(options::bound_buffers(&listener));
            let mut socket = TcpListener::from_std(listener);
            registry.register(&mut socket, token(n), Interest::READABLE)?;
            acceptor.listeners.push(Listener {
                socket,
                is_ready: false,
            });
        }
        Ok(acceptor)
    }

    /// The n-th listener is ready.
    pub(crate) fn on_ready(&mut self, n: usize) {
        if let Some(listener) = self.listeners.get_mut(n) {
            listener.is_ready = true;
        }
    }

    /// Closes all listeners.
    pub(crate) fn close(&mut self) {
        self.listeners.clear();
    }

    /// A connection has ended, so its descriptor is free for another one.
    pub(crate) const fn on_closed(&mut self) {
        self.pause.on_closed();
    }

    /// When to accept next, if connections may wait. A time in the past means now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let is_ready = self.listeners.iter().any(|listener| listener.is_ready);
        is_ready.then(|| self.pause.until().unwrap_or(now))
    }

    /// Accepts the next connection that waits. Errors are counted, logged, and followed by a pause.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        stats: &ServerStats,
    ) -> Option<(TcpStream, SocketAddr)> {
        if self.due(now)? > now {
            return None;
        }
        for _ in 0..self.listeners.len() {
            self.next = (self.next + 1) % self.listeners.len();
            let listener = &mut self.listeners[self.next];
            if !listener.is_ready {
                continue;
            }
            match listener.socket.accept() {
                Ok((stream, peer)) => {
                    self.pause.on_accepted(now);
                    self.note_failed_option(options::prepare(&stream));
                    return Some((stream, peer));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.is_ready = false;
                }
                Err(error) => {
                    stats.on_accept_error();
                    self.pause.on_error(&error, now);
                    return None;
                }
            }
        }
        None
    }

    /// Closes a connection over a limit.
    pub(crate) fn reject(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        reason: RejectReason,
        now: Instant,
    ) {
        drop(stream);
        if !self.rejections[reason as usize].allows(now) {
            return;
        }
        match reason {
            RejectReason::NotAllowed => {
                tracing::warn!(%peer, "closing connections of peers that are not allowed");
            }
            RejectReason::MaxConnections | RejectReason::MaxConnectionsPerIp => {
                tracing::warn!(%peer, limit = reason.as_str(), "closing connections over the limit");
            }
        }
    }

    /// Logs this once, and not for every connection.
    fn note_failed_option(&self, set: io::Result<()>) {
        if let Err(error) = set {
            self.failed_option.call_once(|| {
                tracing::warn!(%error, "cannot set a socket option; serving without it");
            });
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Instant;

    use mio::{Poll, Token};

    use super::Acceptor;
    use crate::ServerStats;

    #[test]
    fn the_pause_lasts_until_its_end_or_until_a_connection_ends() {
        let poll = Poll::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut acceptor = Acceptor::register(vec![listener], poll.registry(), Token).unwrap();
        let stats = ServerStats::default();
        let start = Instant::now();
        assert_eq!(acceptor.due(start), None);

        let _peers = [(); 2].map(|()| TcpStream::connect(address).unwrap());
        acceptor.on_ready(0);
        assert_eq!(acceptor.due(start), Some(start));
        let out_of_files = io::ErrorKind::OutOfMemory.into();
        acceptor.pause.on_error(&out_of_files, start);
        let until = acceptor.due(start).unwrap();
        assert!(until > start);
        let early = start + (until - start) / 2;
        assert!(acceptor.accept(early, &stats).is_none());
        assert!(acceptor.accept(until, &stats).is_some());

        acceptor.pause.on_error(&out_of_files, start);
        assert!(acceptor.accept(start, &stats).is_none());
        acceptor.on_closed();
        assert!(acceptor.accept(start, &stats).is_some());
        assert!(acceptor.accept(start, &stats).is_none());
        assert_eq!(acceptor.due(start), None);
    }
}
