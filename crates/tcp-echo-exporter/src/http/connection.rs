//! One connection to the endpoints, and what it does at present.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tcp_echo_address::client_network;
use tokio::sync::Notify;

/// One connection. It is an extension of each of its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: SocketAddr,
    closes_at: Instant,
    closed: Notify,
    /// Bytes that its socket has taken.
    written: AtomicU64,
    /// Whether its socket takes no more at present.
    blocked: AtomicBool,
    activity: Mutex<Activity>,
}

/// What it does at present.
#[derive(Clone, Copy, Debug)]
struct Activity {
    /// Whether a request is being answered.
    busy: bool,
    /// Since when.
    since: Instant,
    /// When the last request began, or the connection.
    request_start: Instant,
    /// What had been written by then.
    written_before: u64,
}

/// Which connection is closed first: the least one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum EvictionRank {
    /// It has asked nothing yet, or nothing since the last answer: since then.
    Idle(Instant),
    /// It does not take its answer as fast as that is sent: bytes per second.
    SlowReader(f64),
    /// It waits for its answer: since then.
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

    /// When it is closed, whatever it does.
    pub(crate) const fn closes_at(&self) -> Instant {
        self.closes_at
    }

    /// Tells its task to close it.
    pub(crate) fn close(&self) {
        self.closed.notify_one();
    }

    /// Waits until it has to close. For one task.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Its socket has taken so many bytes, or has nothing left to take.
    pub(crate) fn on_written(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written.fetch_add(bytes, Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// Its socket takes no more for now.
    pub(crate) fn on_blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Whether its socket takes no more for now.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// A request begins, and ends when what this returns is dropped.
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

/// Bytes per second.
pub(crate) fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-3)
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<Connection>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.busy = false;
        activity.since = Instant::now();
    }
}
