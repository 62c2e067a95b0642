//! The server's limits.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The limits of a [`Server`](crate::Server).
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_server::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.idle_timeout = Some(Duration::from_secs(60));
/// config.max_connections_per_ip = None;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// How many connections may be open at a time; `None` is no limit. The default is 10,000.
    pub max_connections: Option<NonZeroUsize>,
    /// How many of them may come from one IP address; `None` is no limit. The default is 1,000.
    ///
    /// An IPv4 peer counts as such also when it came over an IPv6 socket. IPv6 peers are counted
    /// by whole address.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// How long a connection may carry no byte in either direction before it is closed; `None`
    /// and zero are for ever. The default is five minutes.
    ///
    /// Bytes that the peer does not take are no traffic, so a peer that never reads is closed too.
    pub idle_timeout: Option<Duration>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: NonZeroUsize::new(10_000),
            max_connections_per_ip: NonZeroUsize::new(1_000),
            idle_timeout: Some(Duration::from_secs(5 * 60)),
        }
    }
}
