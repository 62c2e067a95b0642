//! The state of one connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tcp_echo_net::client_network;
use tokio::sync::Notify;

/// One connection. It is an extension of each of its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: SocketAddr,
    closes_at: Instant,
    closed: Notify,
    /// Bytes written to its socket.
    written: AtomicU64,
    /// Whether its socket accepts no more bytes at present.
    blocked: AtomicBool,
    activity: Mutex<Activity>,
}

/// What the connection does at present.
#[derive(Clone, Copy, Debug)]
struct Activity {
    /// Whether a request is in progress.
    busy: bool,
    /// When that last changed.
    since: Instant,
    /// When the last request began, or the connection if there was none.
    request_start: Instant,
    /// The bytes written before the last request.
    written_before: u64,
}

/// The order of eviction: the least connection is closed first.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum EvictionRank {
    /// No request is in progress, since this moment.
    Idle(Instant),
    /// The client reads its response more slowly than it is sent, at this many bytes per
    /// second.
    SlowReader(f64),
    /// A request is in progress, since this moment.
    Waiting(Instant),
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr, now: Instant, closes_at: Instant) -> Self {
        Self {
            peer,
            closes_at,
            closed: Notify::new(),
            written: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            activity: Mutex::new(Activity {
                busy: false,
                since: now,
                request_start: now,
                written_before: 0,
            }),
        }
    }

    pub(crate) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When the connection is closed in any case.
    #[cfg_attr(
        not(feature = "page"),
        expect(
            dead_code,
            reason = "only the page's streams end before their connection"
        )
    )]
    pub(crate) const fn closes_at(&self) -> Instant {
        self.closes_at
    }

    /// Tells the connection's task to close it.
    pub(crate) fn close(&self) {
        self.closed.notify_one();
    }

    /// Waits until the connection has to close. Only one task may wait.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// The socket has accepted this many bytes, or has nothing left to write.
    pub(crate) fn on_written(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written.fetch_add(bytes, Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// The socket accepts no more bytes for now.
    pub(crate) fn on_blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Returns whether the socket accepts no more bytes for now.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Begins a request, which ends when the guard is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        let now = Instant::now();
        *self.activity() = Activity {
            busy: true,
            since: now,
            request_start: now,
            written_before: self.written.load(Relaxed),
        };
        RequestGuard(Arc::clone(self))
    }

    pub(crate) fn client(&self) -> IpAddr {
        client_network(self.peer.ip())
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn eviction_rank(&self, now: Instant) -> EvictionRank {
        let activity = *self.activity();
        if self.is_blocked() {
            let taken = self
                .written
                .load(Relaxed)
                .saturating_sub(activity.written_before);
            let time = now.saturating_duration_since(activity.request_start);
            EvictionRank::SlowReader(rate(taken, time))
        } else if activity.busy {
            EvictionRank::Waiting(activity.since)
        } else {
            EvictionRank::Idle(activity.since)
        }
    }
}

/// Returns the rate in bytes per second.
pub(crate) fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-3)
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Connection>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.busy = false;
        activity.since = Instant::now();
    }
}
