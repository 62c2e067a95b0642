//! What the command line and the environment ask for, in the program's own types.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use tcp_echo_exporter::{AllowedHosts, Lifecycle};
use tcp_echo_net::Address;
use tcp_echo_prober::{Dscp, Networks, OnDemandLimits};

use tcp_echo_targets::{FilePattern, Shard};

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
    /// The file that says how: with TLS, for whom.
    pub web_config: Option<PathBuf>,
    /// The host names under which they are; `None` is any, or those of loopback where they are
    /// on loopback.
    pub allowed_hosts: Option<AllowedHosts>,
    /// Who may have the configuration loaded again there.
    pub lifecycle: Lifecycle,
    /// Which targets may be asked for there, if any.
    pub on_demand: Option<OnDemandLimits>,
    /// What to do with the system's service instead of running here.
    pub service: Option<ServiceAction>,
    /// Which service that is.
    pub service_options: ServiceOptions,
    /// What is shown to a person or a script, where one watches.
    pub watch: Option<WatchConfig>,
    /// The log.
    pub log: LogConfig,
    /// The flags given, on the command line or in the environment, each as
    /// `--name=value`, without `svc` and its kin. Parsing them gives this
    /// configuration again (but for `service` and `service_options`), and so they are
    /// what a service is installed with.
    pub given: Vec<String>,
}

impl Config {
    /// Whether the metrics are served. A run that somebody watches serves them only
    /// where asked to, so that it doesn't fail on a host whose `:2112` is taken by
    /// the program's own service.
    pub fn serves_metrics(&self) -> bool {
        self.watch.is_none() || self.is_given("metrics")
    }

    fn is_given(&self, name: &str) -> bool {
        is_among(&self.given, name)
    }
}

/// Whether a flag is among arguments written as `--name=value` or `--name`.
pub(super) fn is_among(given: &[String], name: &str) -> bool {
    given.iter().any(|arg| {
        let flag = arg.split('=').next().unwrap_or_default();
        flag.strip_prefix("--") == Some(name)
    })
}

/// The configuration of a run that somebody watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// The run ends when so many slots of each target have an outcome.
    pub count: Option<NonZeroU64>,
    /// The run ends after this long, above zero.
    pub duration: Option<Duration>,
    /// The report at its end, if there is one.
    pub report: Option<ReportConfig>,
    /// Whether each probe gets a line.
    pub verbose: bool,
    /// Whether there is a live view in the terminal.
    pub live: bool,
}

/// The configuration of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportConfig {
    /// What it looks like.
    pub output: Output,
    /// The loss up to which the exit status is 0.
    pub max_loss: Percent,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Output {
    /// A table, for people.
    Table,
    /// A JSON object, for programs.
    Json,
}

/// A number from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

/// It is never a NaN.
impl Eq for Percent {}

impl Percent {
    /// The number, if it is one of them.
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
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
    /// How long a peer may leave its echo unread; `None` is for ever.
    pub slow_reader_timeout: Option<Duration>,
    /// The networks whose hosts are served; `None` is everybody.
    pub allow: Option<Networks>,
}

/// The configuration of the prober.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// What to probe, besides what `files` list; no two of one name.
    pub targets: Vec<TargetSpec>,
    /// Files that list what to probe.
    pub files: Vec<FilePattern>,
    /// Which of all these targets are probed here.
    pub shard: Shard,
    /// How many threads probe; `None` is automatic.
    pub threads: Option<NonZeroUsize>,
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
    /// How many targets of one name that stands for many are probed.
    pub dns_max: NonZeroUsize,
    /// The networks to which such names, and `files`, may lead; `None` is anywhere.
    pub discover_allow: Option<Networks>,
    /// How long a `dns+` or `srv+` name that does not exist any more keeps its targets.
    pub dns_stale: Duration,
    /// The clock of arrivals.
    pub timestamps: Timestamps,
    /// The family of addresses.
    pub ip: IpFamily,
    /// The address to probe from, of the family `ip`.
    pub source: Option<IpAddr>,
    /// The network interface to probe through.
    pub interface: Option<String>,
    /// How probes are marked.
    pub dscp: Option<Dscp>,
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
    /// Stop it and start it.
    Restart,
    /// Say whether it is installed and runs.
    Status,
    /// Run as the service: what the system calls.
    Run,
}

/// Which service of the system is meant, and as whom it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Its name: letters, digits, `_`, `-` and `.`, a letter first.
    pub name: String,
    /// Whether it is the user's own rather than the system's.
    pub user: bool,
    /// The account it runs as, instead of the one that the system's manager gives it.
    pub account: Option<String>,
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
