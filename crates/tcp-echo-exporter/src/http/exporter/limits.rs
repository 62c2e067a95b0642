//! The limits of connections and requests.

use std::time::Duration;

/// Limits that keep slow or silent clients from exhausting the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The maximum number of connections. Each client has up to half of what the others leave;
    /// beyond that, other connections are closed.
    pub(super) max_connections: usize,
    /// The maximum size of a request's head, in bytes.
    pub(super) max_head_size: usize,
    /// How long a connection may take to send a request's head, including idle time before it.
    pub(super) head_timeout: Duration,
    /// The age at which a connection accepts no further request.
    pub(super) max_age: Duration,
    /// How long the last request may then take, including reading the response.
    pub(super) last_request_timeout: Duration,
}

pub(super) const DEFAULT_LIMITS: Limits = Limits {
    max_connections: 256,
    max_head_size: 32 * 1024,
    head_timeout: Duration::from_secs(20),
    max_age: Duration::from_secs(60),
    last_request_timeout: Duration::from_secs(10),
};
