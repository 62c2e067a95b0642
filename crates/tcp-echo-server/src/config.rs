//! The server's limits.

use std::num::NonZeroUsize;
use std::time::Duration;

use tcp_echo_net::Networks;
use tcp_echo_wire::Identity;

/// The limits of a [`Server`](crate::Server).
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_server::ServerConfig;
///
/// let mut config = ServerConfig::default();
/// config.idle_timeout = Some(Duration::from_secs(60));
/// config.max_connections_per_ip = None;
/// // `:4000` serves every host that can reach this one; an allow list restricts that:
/// config.allow = Some("10.0.0.0/8,2001:db8::/32,127.0.0.1,::1".parse()?);
/// # Ok::<(), tcp_echo_server::NetworksError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The networks whose hosts are served; `None`, the default, is all. The source address of a
    /// connection counts: behind NAT, that is the shared one. IPv4 peers of an IPv6 socket are in
    /// IPv4 networks.
    pub allow: Option<Networks>,
    /// The maximum of open connections; `None` is no limit. The default is 10,000.
    pub max_connections: Option<NonZeroUsize>,
    /// The maximum of open connections per IP address; `None` is no limit. The default is 1,000.
    ///
    /// An IPv4 peer counts as such on an IPv6 socket, too. IPv6 peers are counted by their /64,
    /// since a host can take any address in it.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// How long a connection may be idle, in both directions, before it is closed; `None` and
    /// zero are no limit. The default is five minutes.
    ///
    /// Bytes that the peer does not take are no traffic.
    pub idle_timeout: Option<Duration>,
    /// How long the peer may take to accept the echo of one read, at most 2 KiB, before the
    /// connection is reset; `None` and zero are no limit. The default is one minute.
    ///
    /// It is a limit for peers that send and don't read. Taking a byte now and then does not
    /// restart it: only a piece that was taken whole does. A path that carries 40 bytes per second
    /// is within it.
    pub slow_reader_timeout: Option<Duration>,
    /// Whether a client that begins with a hello gets more than an echo: the server's timestamps
    /// in the frames that it asks for, and the packet loss of the way back. All others get their
    /// bytes unchanged. The default is true.
    pub hello: bool,
    /// The node and the zone that clients are told if they ask. The default is unknown.
    pub identity: Identity,
    /// Of how many clients [`ServerStats::clients`](crate::ServerStats::clients) tells segments sent
    /// and lost, and RTT; 0, the default, is none. Their connections are read every five seconds while
    /// they are used.
    pub max_client_stats: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            allow: None,
            max_connections: NonZeroUsize::new(10_000),
            max_connections_per_ip: NonZeroUsize::new(1_000),
            idle_timeout: Some(Duration::from_secs(5 * 60)),
            slow_reader_timeout: Some(Duration::from_secs(60)),
            hello: true,
            identity: Identity::UNKNOWN,
            max_client_stats: 0,
        }
    }
}
