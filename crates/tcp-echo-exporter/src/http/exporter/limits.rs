//! Numbers that bound what clients take of the endpoints.

use std::time::Duration;

/// What keeps slow or silent clients from holding the endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many connections are served at once. Of each client up to half of what the
    /// others leave; for more, others are closed.
    pub(super) max_connections: usize,
    /// How long nothing is accepted when the system is short of something, unless a
    /// connection ends before.
    pub(super) accept_backoff: Duration,
    /// How long a request's head may be, in bytes.
    pub(super) max_head_size: usize,
    /// How long a connection may take to send a request's head, or idle before it.
    pub(super) head_timeout: Duration,
    /// After how long a connection takes no further request.
    pub(super) max_age: Duration,
    /// How long its last request may then take, reading the answer included.
    pub(super) last_request_timeout: Duration,
}

pub(super) const DEFAULT_LIMITS: Limits = Limits {
    max_connections: 256,
    accept_backoff: Duration::from_millis(100),
    max_head_size: 32 * 1024,
    head_timeout: Duration::from_secs(20),
    max_age: Duration::from_secs(60),
    last_request_timeout: Duration::from_secs(10),
};
