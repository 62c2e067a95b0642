//! Every flag, once: its name, its help, its default and how its value is read. Those of the
//! endpoints have a file of their own.
//!
//! To add a flag, add a field here and what it becomes to
//! [`Config`](super::config::Config), and the compiler asks for the line that joins them. Environment variable, Go's spelling,
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

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::{ArgAction, Parser};
use tcp_echo_net::Address;
use tcp_echo_prober::{Dscp, Networks};
use tcp_echo_targets::{FilePattern, Shard};

use super::config::{IpFamily, Mode, Output, Percent, ServiceAction, Timestamps};
use super::generate::Generate;
use super::values::{self, Buckets};
use super::{TargetSpec, duration};
use crate::logging::{LogFormat, LogLevel};
use crate::version;

mod validate;
mod web;

use web::WebFlags;

/// A count without a limit when it is 0.
type Limit = Option<NonZeroUsize>;
/// A number that may be left to the program.
type Threads = Option<NonZeroUsize>;
/// A duration that 0 switches off.
type Switchable = Option<Duration>;
/// A duration that may be left to the program.
type OrAuto = Option<Duration>;

const BUCKETS: &str = "100us,200us,400us,800us,1.6ms,3.2ms,6.4ms,12.8ms,25.6ms,51.2ms,102.4ms,\
                       204.8ms,409.6ms,819.2ms,1.6384s";

const TARGETS: &str = "\
Probe what this file lists, and follow its changes; repeat it for more. In its name * and \
? stand for any files of the directory, which may come and go: quote them from the shell. \
JSON or YAML, as of Prometheus's file_sd: [{\"targets\": [\"host:port\"], \"labels\": {..}}], or \
[{\"name\": \"..\", \"address\": \"host:port\"}]. Read again on SIGHUP too";

/// What follows the flags in the help: examples and notes, with an empty line between.
pub(super) const EXAMPLES: &str = "\
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

    /// Where the server listens. :4000 is all addresses of this host, IPv4 and IPv6, a
    /// public one among them; 127.0.0.1:4000 is one. See allow.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":4000")]
    #[arg(help_heading = "Server")]
    listen: Address,

    /// How many connections are served at once. More are refused; 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    max_connections: Limit,

    /// The same for the connections from one address; of IPv6, from one /64.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    max_connections_per_ip: Limit,

    /// Close a connection on which nothing has come for this long; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = duration::zero_is_none, help_heading = "Server")]
    idle_timeout: Switchable,

    /// Reset a connection whose peer does not take its echo for this long; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    #[arg(value_parser = duration::zero_is_none, help_heading = "Server")]
    slow_reader_timeout: Switchable,

    /// The networks whose hosts are served, with commas between, as in
    /// 10.0.0.0/8,192.168.0.0/16; repeat it for more [default: any client]
    #[arg(long, value_name = "NETWORKS", help_heading = "Server")]
    allow: Vec<Networks>,

    /// What to probe; repeat it for more. NAME is the value of the label target, the
    /// address as written if there is none. :4000 is this host. dns+HOST:PORT is every
    /// address of a name, srv+NAME every host of its SRV records. With web.enable-probe
    /// or a file of targets there is no default.
    #[arg(
        long = "target",
        value_name = "[NAME=]HOST:PORT",
        default_value = ":4000"
    )]
    #[arg(help_heading = "Client")]
    target: Vec<TargetSpec>,

    /// Probe what this file lists, and follow its changes; repeat it for more.
    #[arg(long, value_name = "FILE", help = TARGETS, help_heading = "Client")]
    targets: Vec<FilePattern>,

    /// Probe a share of the targets alone: those whose names fall on share I, from 0,
    /// of N. The same list with 0/3, 1/3 and 2/3 gives each target one prober.
    #[arg(
        long,
        value_name = "I/N",
        default_value = "0/1",
        help_heading = "Client"
    )]
    shard: Shard,

    /// How many threads probe. auto is one, and one more for every 5000 targets of the
    /// start and of web.probe-max, as far as there are processors.
    #[arg(long, value_name = "auto|COUNT", default_value = "auto")]
    #[arg(value_parser = values::threads, help_heading = "Client")]
    threads: Threads,

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

    /// Look names up again at this interval, or sooner where the records of a dns+ or
    /// srv+ name hold for less. A connection stays until its address is gone from the
    /// answer.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[arg(value_parser = duration::positive, help_heading = "Client")]
    dns_refresh: Duration,

    /// How many targets of one name after dns+ or srv+ are probed. Of more, those that
    /// are probed already stay; what is left off is logged.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::targets, help_heading = "Client")]
    dns_max: NonZeroUsize,

    /// The networks to which names after dns+ or srv+, and targets of files, may lead,
    /// with commas between, as in 10.0.0.0/8,192.168.0.0/16; repeat it for more.
    /// Without it they may lead anywhere.
    #[arg(long, value_name = "NETWORKS", help_heading = "Client")]
    discover_allow: Vec<Networks>,

    /// Keep the targets of a dns+ or srv+ name for this long after its nameservers began
    /// to say that it does not exist. 0 is not at all.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = duration::any, help_heading = "Client")]
    dns_stale: Duration,

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
    dscp: Option<Dscp>,

    /// Stop after this many slots of each target and print a report.
    #[arg(long, value_name = "COUNT", value_parser = values::count)]
    #[arg(help_heading = "Report")]
    count: Option<NonZeroU64>,

    /// Stop after this long and print a report. Without count and duration, Ctrl-C
    /// ends the run, and the report is printed all the same where one of these flags
    /// is given.
    #[arg(long, value_name = "DURATION", value_parser = duration::positive)]
    #[arg(help_heading = "Report")]
    duration: Option<Duration>,

    /// What the report looks like.
    #[arg(long, value_name = "table|json", default_value = "table", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Report")]
    output: Output,

    /// The exit status is 1 where the loss of any target exceeds this.
    #[arg(long, value_name = "PERCENT", default_value = "100")]
    #[arg(value_parser = values::percent, help_heading = "Report")]
    max_loss: Percent,

    /// Print a line for each probe.
    #[arg(short, long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Report")]
    verbose: bool,

    /// Show the targets live in the terminal; q ends it. With this or any flag of the
    /// report, the metrics are served only where the flag metrics is given.
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Report")]
    live: bool,

    #[command(flatten)]
    web: WebFlags,

    /// Install this program as a service of the system with the other flags given
    /// here, remove it, start or stop it, or say how it is. run is what the system
    /// calls.
    #[arg(
        long,
        value_name = "install|uninstall|start|stop|restart|status|run",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Service")]
    svc: Option<ServiceAction>,

    /// The name of the service, so that several can be installed.
    #[arg(long, value_name = "NAME", default_value = "tcp-echo-metrics")]
    #[arg(value_parser = values::service_name, help_heading = "Service")]
    svc_name: String,

    /// A service of this user rather than of the system: systemd and launchd only.
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Service")]
    svc_user: bool,

    /// Run the service as this account [default: one without privileges where the
    /// system can give one].
    #[arg(long, value_name = "ACCOUNT", value_parser = values::account)]
    #[arg(help_heading = "Service")]
    svc_account: Option<String>,

    /// How log lines are written, on standard error.
    #[arg(long, value_name = "text|json", default_value = "text", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    log_format: LogFormat,

    /// What is logged: this and what is worse. With a report it is warn if nothing
    /// else is said.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    log_level: LogLevel,

    /// Print the manual page, or what has a shell complete these flags: bash, zsh, fish
    /// or powershell.
    #[arg(long, value_name = "man|complete-SHELL", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Help")]
    pub(super) generate: Option<Generate>,

    /// Print this help. -h prints the flags that most people need.
    #[arg(short, long, action = ArgAction::Help, help_heading = "Help")]
    help: Option<bool>,

    /// Print the version, the revision and the compiler.
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Help")]
    version: Option<bool>,
}
