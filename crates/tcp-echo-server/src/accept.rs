//! Accepting, and what to do when that fails.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use tcp_echo_net::is_connection_error;

use crate::log_throttle::LogThrottle;
use crate::{RejectReason, ServerStats, options};

/// How long to wait before accepting again when the system has run out of something, unless a
/// connection ends before.
const BACKOFF: Duration = Duration::from_millis(100);

/// Accepts connections, and waits where the system is short of what a connection needs.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listeners: Vec<Listener>,
    /// The listener whose turn it is.
    next: usize,
    retry_at: Option<Instant>,
    failing: LogThrottle,
    rejecting: [LogThrottle; RejectReason::ALL.len()],
    options_failed: bool,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    /// Connections may wait here.
    is_ready: bool,
}

impl Acceptor {
    /// Takes listeners in, which the poller will know by the token that `token` gives the n-th.
    pub(crate) fn register(
        listeners: Vec<std::net::TcpListener>,
        registry: &Registry,
        token: impl Fn(usize) -> Token,
    ) -> io::Result<Self> {
        let mut acceptor = Self {
            listeners: Vec::with_capacity(listeners.len()),
            next: 0,
            retry_at: None,
            failing: LogThrottle::default(),
            rejecting: Default::default(),
            options_failed: false,
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

    /// Connections wait at the n-th listener.
    pub(crate) fn on_ready(&mut self, n: usize) {
        if let Some(listener) = self.listeners.get_mut(n) {
            listener.is_ready = true;
        }
    }

    /// A connection has ended, so there is a descriptor for another one.
    pub(crate) const fn on_closed(&mut self) {
        self.retry_at = None;
    }

    /// When to accept next, if connections may wait: a moment that has passed is at once.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let is_ready = self.listeners.iter().any(|listener| listener.is_ready);
        is_ready.then_some(self.retry_at.unwrap_or(now))
    }

    /// The next connection that waits. Failures are counted, logged as they begin and end, and
    /// waited out.
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        stats: &ServerStats,
    ) -> Option<(TcpStream, SocketAddr)> {
        if self.due(now)? > now {
            return None;
        }
        self.retry_at = None;
        for _ in 0..self.listeners.len() {
            self.next = (self.next + 1) % self.listeners.len();
            let listener = &mut self.listeners[self.next];
            if !listener.is_ready {
                continue;
            }
            match listener.socket.accept() {
                Ok((stream, peer)) => {
                    if self.failing.ended(now) {
                        tracing::info!("connections are accepted again");
                    }
                    self.note_failed_option(options::prepare(&stream));
                    return Some((stream, peer));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.is_ready = false;
                }
                Err(error) => {
                    self.on_error(&error, now, stats);
                    return None;
                }
            }
        }
        None
    }

    /// Closes a connection that the limits refuse.
    pub(crate) fn reject(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        reason: RejectReason,
        now: Instant,
    ) {
        drop(stream);
        if !self.rejecting[reason as usize].event(now) {
            return;
        }
        match reason {
            RejectReason::NotAllowed => {
                tracing::warn!(%peer, "connections of peers that are not allowed are closed");
            }
            RejectReason::MaxConnections | RejectReason::MaxConnectionsPerIp => {
                tracing::warn!(%peer, limit = reason.as_str(), "connections over the limit are closed");
            }
        }
    }

    fn on_error(&mut self, error: &io::Error, now: Instant, stats: &ServerStats) {
        stats.on_accept_error();
        if is_connection_error(error) {
            tracing::debug!(%error, "a connection was gone before it was accepted");
            return;
        }
        if self.failing.event(now) {
            tracing::warn!(%error, "connections cannot be accepted, trying on");
        }
        self.retry_at = Some(now + BACKOFF);
    }

    /// Said once and not for every connection.
    fn note_failed_option(&mut self, set: io::Result<()>) {
        if let Err(error) = set
            && !std::mem::replace(&mut self.options_failed, true)
        {
            tracing::warn!(%error, "a socket's options cannot be set, serving without");
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Instant;

    use mio::{Poll, Token};
    use tcp_echo_net::is_connection_error;

    use super::{Acceptor, BACKOFF};
    use crate::ServerStats;

    /// EMFILE and ENFILE have the same numbers on every Unix.
    const OUT_OF_FILES: [i32; 2] = [24, 23];

    #[test]
    fn what_runs_out_is_no_matter_of_one_connection() {
        for number in OUT_OF_FILES {
            assert!(!is_connection_error(&io::Error::from_raw_os_error(number)));
        }
        assert!(!is_connection_error(&io::ErrorKind::OutOfMemory.into()));
        assert!(is_connection_error(
            &io::ErrorKind::ConnectionAborted.into()
        ));
    }

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
        let out_of_files = io::Error::from_raw_os_error(OUT_OF_FILES[0]);
        acceptor.on_error(&out_of_files, start, &stats);
        assert_eq!(stats.accept_errors(), 1);
        assert_eq!(acceptor.due(start), Some(start + BACKOFF));
        assert!(acceptor.accept(start + BACKOFF / 2, &stats).is_none());
        assert!(acceptor.accept(start + BACKOFF, &stats).is_some());

        acceptor.on_error(&out_of_files, start, &stats);
        assert!(acceptor.accept(start, &stats).is_none());
        acceptor.on_closed();
        assert!(acceptor.accept(start, &stats).is_some());
        assert!(acceptor.accept(start, &stats).is_none());
        assert_eq!(acceptor.due(start), None);
    }
}
