//! The server's limits.

use std::num::NonZeroUsize;
use std::time::Duration;

use tcp_echo_net::Networks;

/// The limits of a [`Server`](crate::Server).
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_server::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.idle_timeout = Some(Duration::from_secs(60));
/// config.max_connections_per_ip = None;
/// // On `:4000` every host that can reach this one is served. Better say who is meant:
/// config.allow = Some("10.0.0.0/8,2001:db8::/32,127.0.0.1,::1".parse()?);
/// # Ok::<(), tcp_echo_server::NetworksError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The networks whose hosts are served; `None`, the default, is everybody. It is the address
    /// that a connection comes from that counts: behind a shared address (NAT) that is the shared
    /// one. IPv4 peers of an IPv6 socket are in IPv4 networks.
    pub allow: Option<Networks>,
    /// How many connections may be open at a time; `None` is no limit. The default is 10,000.
    pub max_connections: Option<NonZeroUsize>,
    /// How many of them may come from one IP address; `None` is no limit. The default is 1,000.
    ///
    /// An IPv4 peer counts as such also when it came over an IPv6 socket. IPv6 peers are counted
    /// by their /64, since a host can take any address in it.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// How long a connection may carry no byte in either direction before it is closed; `None`
    /// and zero are for ever. The default is five minutes.
    ///
    /// Bytes that the peer does not take are no traffic.
    pub idle_timeout: Option<Duration>,
    /// How long the peer may take to accept what was read from it at once, 2 KiB at the most,
    /// before the connection is reset; `None` and zero are for ever. The default is one minute.
    ///
    /// It is a limit for peers that send and don't read. Taking a byte now and then does not move
    /// it: only when all of a piece is taken does the next have as long again. A path that carries
    /// 40 bytes a second is within it.
    pub slow_reader_timeout: Option<Duration>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            allow: None,
            max_connections: NonZeroUsize::new(10_000),
            max_connections_per_ip: NonZeroUsize::new(1_000),
            idle_timeout: Some(Duration::from_secs(5 * 60)),
            slow_reader_timeout: Some(Duration::from_secs(60)),
        }
    }
}
