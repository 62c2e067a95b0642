//! What the command line and the environment ask for, in the program's own types.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use tcp_echo_address::Address;

use super::TargetSpec;
use crate::logging::LogConfig;

/// The configuration of a run, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which parts run.
    pub mode: Mode,
    /// The echo server.
    pub server: ServerConfig,
    /// The prober.
    pub client: ClientConfig,
    /// Where the metrics are served. Without a host, on every address.
    pub metrics: Address,
    /// What to do with the system's service instead of running here.
    pub service: Option<ServiceAction>,
    /// The log.
    pub log: LogConfig,
    /// The flags given, on the command line or in the environment, each as
    /// `--name=value`, without `svc`. Parsing them gives this configuration again
    /// (but for `service`), and so they are what a service is installed with.
    pub given: Vec<String>,
}

/// The configuration of the echo server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where it listens. Without a host, on every address of both families.
    pub listen: Address,
    /// Connections served at once; `None` is no limit.
    pub max_connections: Option<NonZeroUsize>,
    /// Connections served at once for one address; `None` is no limit.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// How long a connection may be silent; `None` is for ever.
    pub idle_timeout: Option<Duration>,
}

/// The configuration of the prober.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// What to probe, at least one, no two of one name.
    pub targets: Vec<TargetSpec>,
    /// The time from slot to slot, above zero.
    pub interval: Duration,
    /// How long a reply may take, above zero. It may exceed the interval.
    pub timeout: Duration,
    /// The size of the loss window, in slots, at most ten million.
    pub window: NonZeroU32,
    /// Upper bounds of the RTT histogram's buckets, above zero, ascending.
    pub buckets: Vec<Duration>,
    /// How long nothing may come back before the connection is replaced; `None` is
    /// automatic.
    pub stall: Option<Duration>,
    /// The cap of the delay between attempts to connect, above zero.
    pub reconnect_max: Duration,
    /// The time between look-ups of a target's name, above zero.
    pub dns_refresh: Duration,
    /// The clock of arrivals.
    pub timestamps: Timestamps,
    /// The family of addresses.
    pub ip: IpFamily,
    /// The address to probe from, of the family `ip`.
    pub source: Option<IpAddr>,
    /// The network interface to probe through.
    pub interface: Option<String>,
    /// The differentiated services code point of probes, 0 to 63.
    pub dscp: Option<u8>,
}

/// Which parts of the program run.
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

/// What to do with the system's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum ServiceAction {
    /// Install it with the flags given.
    Install,
    /// Remove it.
    Uninstall,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Run as the service: what the system calls.
    Run,
}

/// The clock that says when a reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Timestamps {
    /// The kernel's, where it has one to give.
    Auto,
    /// The kernel's.
    Kernel,
    /// The process's own.
    User,
}

/// The family of addresses to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum IpFamily {
    /// Either.
    Auto,
    /// IPv4 alone.
    #[value(name = "4")]
    V4,
    /// IPv6 alone.
    #[value(name = "6")]
    V6,
}
