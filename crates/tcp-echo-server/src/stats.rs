//! The server's counts.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::clients::{ClientStats, Clients};

/// Why a connection was closed as soon as it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// The peer is in none of the networks of [`allow`](crate::ServerConfig::allow).
    NotAllowed,
    /// As many connections as [`max_connections`](crate::ServerConfig::max_connections) were open.
    MaxConnections,
    /// As many connections as
    /// [`max_connections_per_ip`](crate::ServerConfig::max_connections_per_ip) were open to the
    /// peer's address.
    MaxConnectionsPerIp,
}

impl RejectReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 3] = [
        Self::NotAllowed,
        Self::MaxConnections,
        Self::MaxConnectionsPerIp,
    ];

    /// The reason as the value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::MaxConnections => "max_connections",
            Self::MaxConnectionsPerIp => "max_connections_per_ip",
        }
    }
}

/// Why the server closed a connection that it had served.
///
/// Connections that peers close, or that fail, don't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was idle for the [`idle_timeout`](crate::ServerConfig::idle_timeout).
    Idle,
    /// The peer did not take what it had sent within the
    /// [`slow_reader_timeout`](crate::ServerConfig::slow_reader_timeout).
    SlowReader,
}

impl CloseReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 2] = [Self::Idle, Self::SlowReader];

    /// The reason as the value of a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::SlowReader => "slow_reader",
        }
    }
}

/// The counts of a [`Server`](crate::Server), from its start.
///
/// Every getter reads one atomic number: cheap, and safe from any thread.
#[derive(Debug)]
pub struct ServerStats {
    connections: AtomicU64,
    accepted: AtomicU64,
    rejected: [AtomicU64; RejectReason::ALL.len()],
    closed: [AtomicU64; CloseReason::ALL.len()],
    echoed_bytes: AtomicU64,
    accept_errors: AtomicU64,
    clients: Clients,
}

impl Default for ServerStats {
    fn default() -> Self {
        Self::new(0)
    }
}

impl ServerStats {
    pub(crate) fn new(max_clients: usize) -> Self {
        Self {
            connections: AtomicU64::default(),
            accepted: AtomicU64::default(),
            rejected: Default::default(),
            closed: Default::default(),
            echoed_bytes: AtomicU64::default(),
            accept_errors: AtomicU64::default(),
            clients: Clients::new(max_clients),
        }
    }

    /// The server's view of its clients, sorted by their addresses: as many as
    /// [`max_client_stats`](crate::ServerConfig::max_client_stats) allows. A client
    /// leaves five minutes after its last connection. This takes a lock for a moment.
    pub fn clients(&self) -> Vec<(IpAddr, ClientStats)> {
        self.clients.all(Instant::now())
    }

    pub(crate) const fn clients_table(&self) -> &Clients {
        &self.clients
    }

    /// Connections open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Connections accepted and served, without rejected ones.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Connections rejected for this reason.
    pub fn rejected(&self, reason: RejectReason) -> u64 {
        self.rejected[reason as usize].load(Relaxed)
    }

    /// Connections closed by the server for this reason, after they were served.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].load(Relaxed)
    }

    /// Bytes sent back, as far as the kernel has taken them.
    pub fn echoed_bytes(&self) -> u64 {
        self.echoed_bytes.load(Relaxed)
    }

    /// Errors of accepting a connection, mostly for want of file descriptors.
    pub fn accept_errors(&self) -> u64 {
        self.accept_errors.load(Relaxed)
    }

    pub(crate) fn on_open(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn on_close(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub(crate) fn on_rejected(&self, reason: RejectReason) {
        self.rejected[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn on_closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn on_echoed(&self, bytes: usize) {
        self.echoed_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn on_accept_error(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseReason, RejectReason, ServerStats};

    #[test]
    fn reasons_are_counted_apart_and_named_apart() {
        let stats = ServerStats::default();
        stats.on_rejected(RejectReason::MaxConnectionsPerIp);
        let counts = RejectReason::ALL.map(|reason| (reason.as_str(), stats.rejected(reason)));
        assert_eq!(
            counts,
            [
                ("not_allowed", 0),
                ("max_connections", 0),
                ("max_connections_per_ip", 1)
            ]
        );
        stats.on_closed(CloseReason::SlowReader);
        let counts = CloseReason::ALL.map(|reason| (reason.as_str(), stats.closed(reason)));
        assert_eq!(counts, [("idle", 0), ("slow_reader", 1)]);
    }
}
