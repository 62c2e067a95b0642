//! The configuration of the program.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use tcp_echo_exporter::{AllowedHosts, GlobalLabels, Lifecycle, SeriesSet};
use tcp_echo_flags::is_given;
use tcp_echo_log::LogConfig;
use tcp_echo_net::Address;
use tcp_echo_prober::{Coalesce, Dscp, Identity, Networks, OnDemandLimits, Trace, Wire};
use tcp_echo_report::WatchConfig;
#[cfg(feature = "service")]
use tcp_echo_service::ServiceOptions;
use tcp_echo_targets::{FilePattern, MeshDegree, NamedEndpoint, Shard};
#[cfg(feature = "tls")]
use tcp_echo_web::WebOptions;

/// The validated configuration of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The parts to run.
    pub mode: Mode,
    /// The echo server.
    pub server: ServerConfig,
    /// The prober.
    pub client: ClientConfig,
    /// The address of the endpoints. Without a host, every address.
    pub metrics: Address,
    /// The web configuration file: TLS, users, headers.
    #[cfg(feature = "tls")]
    pub web_config: Option<PathBuf>,
    /// TLS and a user without such a file.
    #[cfg(feature = "tls")]
    pub web_options: Option<WebOptions>,
    /// Whether to ask the running process if it is ready, instead of running.
    pub health: bool,
    /// The node and the zone of this process; each empty if it is unknown.
    pub identity: Identity,
    /// The labels of every series.
    pub labels: GlobalLabels,
    /// The host names of the endpoints; `None` is any, or those of loopback if they are on
    /// loopback.
    pub allowed_hosts: Option<AllowedHosts>,
    /// Who may reload the configuration there.
    pub lifecycle: Lifecycle,
    /// The limits of targets probed on demand, if that is enabled.
    pub on_demand: Option<OnDemandLimits>,
    /// An action on the service of the system, instead of running in the foreground.
    #[cfg(feature = "service")]
    pub service: Option<ServiceAction>,
    /// The service of that action.
    #[cfg(feature = "service")]
    pub service_options: ServiceOptions,
    /// A run in the foreground, with a report or a live view.
    pub watch: Option<WatchConfig>,
    /// The log.
    pub log: LogConfig,
    /// The flags given, on the command line or in the environment, each as
    /// `--name=value`, without those of the service and the password of the endpoints. Parsing
    /// them results in the same configuration (except `service` and `service_options`, and if
    /// the password comes from the environment), so a service is installed with them.
    pub given: Vec<String>,
}

impl Config {
    /// Whether the endpoints are served. A run in the foreground serves them only if the flag is
    /// given, so that it works on a host where a service of this program has the port.
    pub fn serves_metrics(&self) -> bool {
        self.watch.is_none() || is_given(&self.given, "metrics")
    }

    /// Whether the endpoints require a password that `given` does not have.
    pub fn has_unrecorded_password(&self) -> bool {
        #[cfg(feature = "tls")]
        return self
            .web_options
            .as_ref()
            .is_some_and(WebOptions::has_credentials);
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Whether the program runs as a service.
    pub fn is_service(&self) -> bool {
        #[cfg(feature = "service")]
        return self.service.is_some();
        #[cfg(not(feature = "service"))]
        return false;
    }
}

/// The configuration of the echo server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address to listen on. Without a host, every address of both families.
    pub listen: Address,
    /// The maximum of connections; `None` is no limit.
    pub max_connections: Option<NonZeroUsize>,
    /// The maximum of connections per address; `None` is no limit.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// The timeout of a silent connection; `None` is none.
    pub idle_timeout: Option<Duration>,
    /// The timeout of a peer that does not read its echoes; `None` is none.
    pub slow_reader_timeout: Option<Duration>,
    /// The networks to serve; `None` is all.
    pub allow: Option<Networks>,
    /// Whether it answers hellos.
    pub hello: Hello,
    /// Of how many clients packet loss and RTT are exported.
    pub server_clients: usize,
}

/// The configuration of the prober.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The targets to probe besides those of `files`, with unique names.
    pub targets: Vec<NamedEndpoint>,
    /// Files that list targets.
    pub files: Vec<FilePattern>,
    /// The shard of all these targets to probe.
    pub shard: Shard,
    /// The number of threads; `None` is automatic.
    pub threads: Option<NonZeroUsize>,
    /// How many members of a mesh each one probes.
    pub mesh_degree: MeshDegree,
    /// How these threads coalesce their wake-ups.
    pub coalesce: Coalesce,
    /// How probes are on the wire.
    pub wire: Wire,
    /// The time from slot to slot, above zero.
    pub interval: Duration,
    /// The timeout of a reply, above zero. It may exceed the interval.
    pub timeout: Duration,
    /// Whether the timeout follows the RTT.
    pub adaptive: bool,
    /// The size of the loss window, in slots, at most ten million.
    pub window: NonZeroU32,
    /// Upper bounds of the RTT histogram's buckets, above zero, ascending.
    pub buckets: Vec<Duration>,
    /// The series of each target.
    pub series: SeriesSet,
    /// The timeout of a connection without replies, which is replaced then; `None` is automatic.
    pub stall: Option<Duration>,
    /// The maximum of the delay between attempts to connect, above zero.
    pub reconnect_max: Duration,
    /// The time between look-ups of a target's name, above zero.
    pub dns_refresh: Duration,
    /// The maximum of targets per `dns+` or `srv+` name.
    #[cfg(feature = "discovery")]
    pub dns_max: NonZeroUsize,
    /// The networks allowed for such names and for `files`; `None` is all.
    pub discover_allow: Option<Networks>,
    /// How long to keep the targets of a `dns+` or `srv+` name that no longer exists.
    #[cfg(feature = "discovery")]
    pub dns_stale: Duration,
    /// The clock of arrivals.
    pub timestamps: Timestamps,
    /// Whether connections begin with a hello.
    pub hello: Hello,
    /// The family of addresses.
    pub ip: IpFamily,
    /// The address to probe from, of the family `ip`.
    pub source: Option<IpAddr>,
    /// The network interface to probe through.
    pub interface: Option<String>,
    /// How many flows probe a target, at most 64.
    pub flows: NonZeroU16,
    /// The source port of a target's first flow, with room for the others and for those that
    /// explore.
    pub source_ports: Option<NonZeroU16>,
    /// When paths are traced.
    pub trace: Trace,
    /// The maximum of links with votes.
    pub votes_max: usize,
    /// Where episodes are kept over a restart.
    pub state: Option<PathBuf>,
    /// The code point of probes.
    pub dscp: Option<Dscp>,
    /// The time between checks of large packets; `None` is none.
    pub mtu_probe: Option<Duration>,
}

/// The parts of the program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Mode {
    /// The echo server.
    Server,
    /// The prober.
    Client,
    /// The echo server and the prober.
    Both,
}

impl Mode {
    /// Whether the echo server runs.
    pub fn serves(self) -> bool {
        matches!(self, Self::Server | Self::Both)
    }

    /// Whether the prober runs.
    pub fn probes(self) -> bool {
        matches!(self, Self::Client | Self::Both)
    }
}

/// An action on the service of the system.
#[cfg(feature = "service")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum ServiceAction {
    /// Install it with the given flags.
    Install,
    /// Remove it.
    Uninstall,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it and start it.
    Restart,
    /// Print whether it is installed and runs.
    Status,
    /// Run as the service: the command that the manager starts.
    Run,
}

/// The clock of arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Timestamps {
    /// That of the kernel, if it has one.
    Auto,
    /// That of the kernel.
    Kernel,
    /// That of this process.
    User,
}

/// Whether connections begin with a hello, and whether the server answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Hello {
    /// They do, as long as the peer accepts it, and it does.
    Auto,
    /// They don't: every frame is a probe. The server only echoes.
    Off,
}

/// The family of addresses to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum IpFamily {
    /// Both.
    Auto,
    /// IPv4 only.
    #[value(name = "4")]
    V4,
    /// IPv6 only.
    #[value(name = "6")]
    V6,
}
