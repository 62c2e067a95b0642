//! The limit of connections, and which of them is closed for a new one.

use std::{
    cmp::Ordering,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tcp_echo_net::{ClientQuotas, Eviction, LogLimiter};

use super::{
    HELD_PER_FREE,
    connection::{Connection, EvictionRank},
};

/// All open connections. A new one is always admitted: at the limit, or at the
/// [quota](ClientQuotas) of its client, another one is closed for it.
#[derive(Debug)]
pub(crate) struct Connections(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    limit: usize,
    quotas: ClientQuotas,
    /// In the order of arrival.
    open: Vec<Arc<Connection>>,
    log: LogLimiter,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            limit,
            quotas: ClientQuotas::new(HELD_PER_FREE),
            open: Vec::new(),
            log: LogLimiter::default(),
        })))
    }

    /// Admits a connection, which is closed at `closes_at` in any case.
    pub(crate) fn admit(&self, peer: SocketAddr, closes_at: Instant) -> ConnectionGuard {
        let now = Instant::now();
        let connection = Arc::new(Connection::new(peer, now, closes_at));
        let mut table = lock(&self.0);
        let client = Some(peer.ip());
        let victim = match table.quotas.eviction(client, table.limit) {
            None => None,
            Some(Eviction::Own) => {
                let own = connection.client();
                table.find_victim(now, |other| other.client() == own)
            }
            Some(Eviction::Largest(largest)) => {
                let quotas = &table.quotas;
                table.find_victim(now, |other| {
                    quotas.held_by(Some(other.peer().ip())) == largest
                })
            }
        };
        let closed = victim.map(|index| table.remove(index));
        table.quotas.take(client);
        table.open.push(Arc::clone(&connection));
        let should_log = closed.is_some() && table.log.allows(now);
        drop(table);
        if let Some(closed) = closed {
            if should_log {
                tracing::warn!(
                    %peer, closed = %closed.peer(),
                    "too many connections to the endpoints, closing idle and slow ones"
                );
            }
            closed.close();
        }
        ConnectionGuard {
            connection,
            table: Arc::clone(&self.0),
        }
    }

    /// Closes an idle connection to free its file descriptor: the oldest one of the client with
    /// the most connections. Returns whether there was one.
    pub(crate) fn close_idle(&self) -> bool {
        let now = Instant::now();
        let mut table = lock(&self.0);
        let idle = |of: &Connection| matches!(of.eviction_rank(now), EvictionRank::Idle(_));
        let quotas = &table.quotas;
        let clients = table.open.iter().filter(|connection| idle(connection));
        let counts = clients.map(|connection| quotas.held_by(Some(connection.peer().ip())));
        let Some(largest) = counts.max() else {
            return false;
        };
        let index = table.find_victim(now, |connection| {
            idle(connection) && quotas.held_by(Some(connection.peer().ip())) == largest
        });
        let closed = index.map(|index| table.remove(index));
        drop(table);
        closed.inspect(|connection| connection.close()).is_some()
    }
}

impl Table {
    /// Returns the index of the connection to close first among the eligible ones.
    fn find_victim(
        &self,
        now: Instant,
        is_eligible: impl Fn(&Connection) -> bool,
    ) -> Option<usize> {
        let candidates = self
            .open
            .iter()
            .enumerate()
            .filter(|(_, one)| is_eligible(one));
        let ranks = candidates.map(|(index, one)| (index, one.eviction_rank(now)));
        ranks
            .min_by(|(_, one), (_, other)| one.partial_cmp(other).unwrap_or(Ordering::Equal))
            .map(|(index, _)| index)
    }

    fn remove(&mut self, index: usize) -> Arc<Connection> {
        let connection = self.open.remove(index);
        self.quotas.release(Some(connection.peer().ip()));
        connection
    }
}

/// Counts a connection until this is dropped, or until the connection is closed for another.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    connection: Arc<Connection>,
    table: Arc<Mutex<Table>>,
}

impl ConnectionGuard {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for ConnectionGuard {
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
