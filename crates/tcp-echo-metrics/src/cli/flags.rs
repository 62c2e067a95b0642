//! Every flag, once: its name, its help, its default and how its value is read.
//!
//! To add a flag, add a field here and what it becomes to [`Config`], and the
//! compiler asks for the line that joins them. Environment variable, Go's spelling,
//! help and error messages follow from the field. A flag that is on or off is
//!
//! ```text
//! #[arg(long, default_value = "false", default_missing_value = "true",
//!       num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
//! live: bool,
//! ```
//!
//! so that `-live`, `-live=false` and its variable work as in Go. A field must not be
//! of a type called `Option` where "not given" isn't what `None` means; hence the
//! names below.

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::{ArgAction, Parser};
use tcp_echo_address::Address;

use super::config::{
    ClientConfig, Config, IpFamily, Mode, ServerConfig, ServiceAction, Timestamps,
};
use super::values::{self, Buckets};
use super::{TargetSpec, UsageError, duration};
use crate::logging::{LogConfig, LogFormat, LogLevel};
use crate::version;

/// A count without a limit when it is 0.
type Limit = Option<NonZeroUsize>;
/// A duration that 0 switches off.
type Switchable = Option<Duration>;
/// A duration that may be left to the program.
type OrAuto = Option<Duration>;

const BUCKETS: &str = "100us,200us,400us,800us,1.6ms,3.2ms,6.4ms,12.8ms,25.6ms,51.2ms,102.4ms,\
                       204.8ms,409.6ms,819.2ms,1.6384s";

const EXAMPLES: &str = "\
Examples:
  Answer probes on port 4000, with the metrics on port 2112:
    tcp-echo-metrics

  Probe two hosts five times a second; a reply counts for 800ms:
    tcp-echo-metrics --mode client --target db=10.0.0.5:4000 \\
        --target web=web.example.com:4000

  Answer and probe at 100 probes a second, with a loss window of a minute:
    tcp-echo-metrics --mode both --target 10.0.0.6:4000 --interval 10ms \\
        --window 6000

Flags may be written -name value, -name=value, --name value or --name=value.
Durations have units: 300us, 10ms, 1.5s, 1h2m3s. IPv6 addresses go in brackets:
[::1]:4000. Each flag has an environment variable, which the command line wins
over: TCP_ECHO_ and its name, as in TCP_ECHO_IDLE_TIMEOUT=1m. For flags that can
be repeated, commas: TCP_ECHO_TARGET=a=10.0.0.5:4000,b=10.0.0.6:4000.";

/// Measure TCP latency and loss between hosts, continuously, for Prometheus.
/// A server echoes small probes; a client sends them and times the replies.
#[derive(Debug, Parser)]
#[command(
    name = "tcp-echo-metrics",
    version = version::LONG,
    verbatim_doc_comment,
    after_help = EXAMPLES,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    next_line_help = true,
    no_binary_name = true,
    override_usage = "tcp-echo-metrics [FLAGS]",
    term_width = 80,
)]
pub(super) struct Flags {
    /// What to run. server echoes probes, client sends them, both does both.
    #[arg(
        long,
        value_name = "server|client|both",
        default_value = "server",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Mode")]
    mode: Mode,

    /// Where the server listens. :4000 is all addresses of this host, IPv4 and IPv6;
    /// 127.0.0.1:4000 is one.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":4000")]
    #[arg(help_heading = "Server")]
    listen: Address,

    /// How many connections are served at once. More are refused; 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    max_connections: Limit,

    /// The same for the connections from one address.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    max_connections_per_ip: Limit,

    /// Close a connection on which nothing has come for this long; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = duration::zero_is_none, help_heading = "Server")]
    idle_timeout: Switchable,

    /// What to probe; repeat it for more. NAME is the value of the label target, the
    /// address as written if there is none. :4000 is this host.
    #[arg(
        long = "target",
        value_name = "[NAME=]HOST:PORT",
        default_value = ":4000"
    )]
    #[arg(help_heading = "Client")]
    targets: Vec<TargetSpec>,

    /// The time from probe to probe of a target.
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    #[arg(value_parser = duration::positive, help_heading = "Client")]
    interval: Duration,

    /// How long a reply may take. It may be longer than the interval: probes don't
    /// wait for each other.
    #[arg(long, value_name = "DURATION", default_value = "800ms")]
    #[arg(value_parser = duration::positive, help_heading = "Client")]
    timeout: Duration,

    /// The loss is that of the last COUNT probes due, 1 to 10000000. At 200ms, 1500
    /// are five minutes.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    #[arg(value_parser = values::window, help_heading = "Client")]
    window: NonZeroU32,

    /// Upper bounds of the round trip histogram, ascending, with commas between, as
    /// in 1ms,5ms,20ms,100ms [default: 100us doubled 14 times, up to 1.6384s]
    #[arg(long, value_name = "DURATIONS", default_value = BUCKETS, hide_default_value = true)]
    #[arg(value_parser = values::buckets, help_heading = "Client")]
    buckets: Buckets,

    /// Replace a connection on which no reply has come for this long. auto is three
    /// timeouts, at least 500ms.
    #[arg(long, value_name = "auto|DURATION", default_value = "auto")]
    #[arg(value_parser = duration::auto_or_positive, help_heading = "Client")]
    stall: OrAuto,

    /// The longest wait between two attempts to connect. It starts at 100ms and
    /// doubles up to this.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    #[arg(value_parser = duration::positive, help_heading = "Client")]
    reconnect_max: Duration,

    /// Look names up again at this interval. A connection stays until its address is
    /// gone from the answer.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[arg(value_parser = duration::positive, help_heading = "Client")]
    dns_refresh: Duration,

    /// Who says when a reply came: the kernel, or this process (user). auto is the
    /// kernel wherever it can.
    #[arg(
        long,
        value_name = "auto|kernel|user",
        default_value = "auto",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    timestamps: Timestamps,

    /// Probe by IPv4 or IPv6 only.
    #[arg(long, value_name = "auto|4|6", default_value = "auto", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    ip: IpFamily,

    /// Probe from this address of this host.
    #[arg(long, value_name = "IP", value_parser = values::ip, help_heading = "Client")]
    source: Option<IpAddr>,

    /// Probe through this network interface, as in eth0.
    #[arg(long, value_name = "NAME", value_parser = values::interface)]
    #[arg(help_heading = "Client")]
    interface: Option<String>,

    /// Mark probes with this code point: 0 to 63, or a name as in ef, cs1 or af41.
    #[arg(long, value_name = "CODE", value_parser = values::dscp)]
    #[arg(help_heading = "Client")]
    dscp: Option<u8>,

    /// Where Prometheus finds the metrics, at /metrics.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":2112")]
    #[arg(help_heading = "Metrics endpoint")]
    metrics: Address,

    /// Install this program as a service of the system with the other flags given
    /// here, remove it, start it or stop it. run is what the system calls.
    #[arg(long, value_name = "install|uninstall|start|stop|run", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Service")]
    svc: Option<ServiceAction>,

    /// How log lines are written, on standard error.
    #[arg(long, value_name = "text|json", default_value = "text", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    log_format: LogFormat,

    /// What is logged: this and what is worse.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    log_level: LogLevel,

    /// Print this help.
    #[arg(short, long, action = ArgAction::Help, help_heading = "Help")]
    help: Option<bool>,

    /// Print the version, the revision and the compiler.
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Help")]
    version: Option<bool>,
}

impl Flags {
    /// Checks what no flag can check alone, and sorts the values into their parts.
    /// `origin` names a flag as the user knows it; `given` is noted in the result.
    pub(super) fn into_config(
        self,
        given: Vec<String>,
        origin: impl Fn(&str) -> String,
    ) -> Result<Config, UsageError> {
        let mut names = HashSet::new();
        if let Some(twice) = self
            .targets
            .iter()
            .find(|target| !names.insert(&target.name))
        {
            return Err(UsageError::DuplicateTarget {
                name: twice.name.clone(),
                origin: origin("target"),
            });
        }
        if let Some(source) = self.source {
            let excluded = if source.is_ipv4() {
                IpFamily::V6
            } else {
                IpFamily::V4
            };
            if self.ip == excluded {
                return Err(UsageError::InvalidValue {
                    value: source.to_string(),
                    origin: origin("source"),
                    reason: format!("{} asks for the other family", origin("ip")),
                });
            }
        }
        Ok(Config {
            mode: self.mode,
            server: ServerConfig {
                listen: self.listen,
                max_connections: self.max_connections,
                max_connections_per_ip: self.max_connections_per_ip,
                idle_timeout: self.idle_timeout,
            },
            client: ClientConfig {
                targets: self.targets,
                interval: self.interval,
                timeout: self.timeout,
                window: self.window,
                buckets: self.buckets.0,
                stall: self.stall,
                reconnect_max: self.reconnect_max,
                dns_refresh: self.dns_refresh,
                timestamps: self.timestamps,
                ip: self.ip,
                source: self.source,
                interface: self.interface,
                dscp: self.dscp,
            },
            metrics: self.metrics,
            service: self.svc,
            log: LogConfig {
                format: self.log_format,
                level: self.log_level,
            },
            given,
        })
    }
}
