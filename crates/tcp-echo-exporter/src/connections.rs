//! The connections to the endpoints, and which of them is closed for a new one.

use std::{
    cmp::Ordering,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

use crate::{
    log_limiter::LogLimiter,
    quota::{Quota, Room},
};

/// All open connections, up to a limit. A new one is always admitted: where the limit or
/// the client's [share](Quota) is reached, another one is closed for it.
#[derive(Debug)]
pub(crate) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    quota: Quota,
    /// In the order of their arrival.
    open: Vec<Arc<Connection>>,
    log: LogLimiter,
}

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
    phase: Mutex<Phase>,
}

/// What it does at present.
#[derive(Clone, Copy, Debug)]
struct Phase {
    /// Whether a request is being answered.
    busy: bool,
    /// Since when.
    since: Instant,
    /// When the last request began, or the connection.
    request_began: Instant,
    /// What had been written by then.
    written_before: u64,
}

/// Which connection is closed first: the least one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Standing {
    /// It has asked nothing yet, or nothing since the last answer: since then.
    Idle(Instant),
    /// It does not take its answer as fast as that is sent: bytes per second.
    SlowReader(f64),
    /// It waits for its answer: since then.
    Waiting(Instant),
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            quota: Quota::new(limit),
            open: Vec::new(),
            log: LogLimiter::default(),
        })))
    }

    /// Takes a new connection in, which is closed at `closes_at` whatever it does.
    pub(crate) fn admit(&self, peer: SocketAddr, closes_at: Instant) -> Admitted {
        let now = Instant::now();
        let connection = Arc::new(Connection::new(peer, now, closes_at));
        let mut table = lock(&self.0);
        let client = Some(peer.ip());
        let victim = match table.quota.room(client) {
            Room::Free => None,
            Room::Own => {
                let own = connection.client();
                table.first_to_close(now, |other| other.client() == own)
            }
            Room::Largest(most) => {
                let quota = &table.quota;
                table.first_to_close(now, |other| quota.of(Some(other.peer.ip())) == most)
            }
        };
        let closed = victim.map(|index| table.remove(index));
        table.quota.take(client);
        table.open.push(Arc::clone(&connection));
        let is_told = closed.is_some() && table.log.allows(now);
        drop(table);
        if let Some(closed) = closed {
            if is_told {
                tracing::warn!(
                    %peer, closed = %closed.peer,
                    "the connections to the endpoints are at their limit, idle and slow ones are closed"
                );
            }
            closed.close();
        }
        Admitted {
            connection,
            table: Arc::clone(&self.0),
        }
    }

    /// Closes an idle connection, the oldest of the client with the most of them, to have
    /// its file descriptor back; returns whether there was one.
    pub(crate) fn close_idle(&self) -> bool {
        let now = Instant::now();
        let mut table = lock(&self.0);
        let idle = |of: &Connection| matches!(of.standing(now), Standing::Idle(_));
        let quota = &table.quota;
        let clients = table.open.iter().filter(|connection| idle(connection));
        let counts = clients.map(|connection| quota.of(Some(connection.peer.ip())));
        let Some(most) = counts.max() else {
            return false;
        };
        let index = table.first_to_close(now, |connection| {
            idle(connection) && quota.of(Some(connection.peer.ip())) == most
        });
        let closed = index.map(|index| table.remove(index));
        drop(table);
        closed.inspect(|connection| connection.close()).is_some()
    }
}

impl Table {
    /// The place of the connection to be closed first of those that `may` be.
    fn first_to_close(&self, now: Instant, may: impl Fn(&Connection) -> bool) -> Option<usize> {
        let candidates = self.open.iter().enumerate().filter(|(_, one)| may(one));
        let standings = candidates.map(|(index, one)| (index, one.standing(now)));
        standings
            .min_by(|(_, one), (_, other)| one.partial_cmp(other).unwrap_or(Ordering::Equal))
            .map(|(index, _)| index)
    }

    fn remove(&mut self, index: usize) -> Arc<Connection> {
        let connection = self.open.remove(index);
        self.quota.release(Some(connection.peer.ip()));
        connection
    }
}

impl Connection {
    fn new(peer: SocketAddr, now: Instant, closes_at: Instant) -> Self {
        Self {
            peer,
            closes_at,
            closed: Notify::new(),
            written: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            phase: Mutex::new(Phase {
                busy: false,
                since: now,
                request_began: now,
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
    pub(crate) fn begin_request(self: &Arc<Self>) -> RequestUnderWay {
        let now = Instant::now();
        *self.phase() = Phase {
            busy: true,
            since: now,
            request_began: now,
            written_before: self.written.load(Relaxed),
        };
        RequestUnderWay(Arc::clone(self))
    }

    fn client(&self) -> std::net::IpAddr {
        tcp_echo_net::client_network(self.peer.ip())
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, now: Instant) -> Standing {
        let phase = *self.phase();
        if self.is_blocked() {
            let taken = self
                .written
                .load(Relaxed)
                .saturating_sub(phase.written_before);
            let time = now.saturating_duration_since(phase.request_began);
            Standing::SlowReader(rate(taken, time))
        } else if phase.busy {
            Standing::Waiting(phase.since)
        } else {
            Standing::Idle(phase.since)
        }
    }
}

/// Bytes per second.
pub(crate) fn rate(bytes: u64, time: std::time::Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-3)
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct RequestUnderWay(Arc<Connection>);

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        let mut phase = self.0.phase();
        phase.busy = false;
        phase.since = Instant::now();
    }
}

/// A connection that counts as long as this is there, or until it is closed for another.
#[derive(Debug)]
pub(crate) struct Admitted {
    connection: Arc<Connection>,
    table: Arc<Mutex<Table>>,
}

impl Admitted {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        let mut open = table.open.iter();
        if let Some(index) = open.position(|one| Arc::ptr_eq(one, &self.connection)) {
            table.remove(index);
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
