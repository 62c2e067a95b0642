//! Every flag: its name, help, default and parser. Those of the endpoints and of the service
//! have files of their own.
//!
//! To add a flag, add a field here and one to [`Config`](super::config::Config); the compiler
//! asks for the line that joins them. Environment variable, Go's spelling, help and error
//! messages follow from the field. A boolean flag is
//!
//! ```text
//! #[arg(long, default_value = "false", default_missing_value = "true",
//!       num_args = 0..=1, require_equals = true, action = ArgAction::Set)]
//! live: bool,
//! ```
//!
//! so that `-live`, `-live=false` and its variable work as in Go. For clap, a type called `Option`
//! is a flag that may be missing. Where `None` has another meaning, the type has an alias.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};
use tcp_echo_exporter::SeriesSet;
use tcp_echo_log::{LogFormat, LogLevel};
use tcp_echo_net::Address;
use tcp_echo_prober::{Coalesce, Dscp, Networks, Trace, Wire};
use tcp_echo_report::{Output, Percent};
use tcp_echo_targets::{FilePattern, HostArgument, MeshDegree, NamedEndpoint, Shard};

use super::config::{Hello, IpFamily, Mode, Timestamps};
use super::generate::Generate;
use super::values::{self, Buckets, Source};
use crate::version;

mod original;
#[cfg(feature = "service")]
mod service;
mod web;

pub(super) use original::OriginalFlags;
#[cfg(feature = "service")]
pub(super) use service::ServiceFlags;
pub(super) use web::WebFlags;

/// A count, without a limit if it is 0.
type Limit = Option<NonZeroUsize>;
/// A number, or automatic.
type Threads = Option<NonZeroUsize>;
/// A duration, off if it is 0.
type OrOff = Option<Duration>;
/// A duration, or automatic.
type OrAuto = Option<Duration>;

const BUCKETS: &str = "100us,200us,400us,800us,1.6ms,3.2ms,6.4ms,12.8ms,25.6ms,51.2ms,102.4ms,\
                       204.8ms,409.6ms,819.2ms,1.6384s";

const TARGETS: &str = "\
Probe the targets in this file, and follow its changes; repeatable. * and ? in its name match \
all such files of the directory, now and later: quote them from the shell. JSON or YAML, as \
Prometheus's file_sd: [{\"targets\": [\"host:port\"], \"labels\": {..}}], or \
[{\"name\": \"..\", \"address\": \"host:port\"}]. SIGHUP reloads it too";

/// The end of the help: examples and notes, separated by empty lines.
pub(super) const EXAMPLES: &str = "\
Examples:
  Answer probes on port 4000, with the metrics on port 2112:
    tcp-echo-metrics

  Probe a host until Ctrl-C, with a line for each probe, and print a report:
    tcp-echo-metrics web.example.com

  Probe two hosts five times a second, with a timeout of 800ms:
    tcp-echo-metrics --mode client --target db=10.0.0.5:4000 \\
        --target web=web.example.com:4000

  Answer and probe, 100 times a second, with a loss window of a minute:
    tcp-echo-metrics --mode both --target 10.0.0.6:4000 --interval 10ms \\
        --window 6000

Flags may be written -name value, -name=value, --name value or --name=value.
Durations have units: 300us, 10ms, 1.5s, 1h2m3s. IPv6 addresses need brackets:
[::1]:4000. Each flag has an environment variable: TCP_ECHO_ and its name, as in
TCP_ECHO_IDLE_TIMEOUT=1m. The command line overrides it. For repeatable flags,
commas separate the values: TCP_ECHO_TARGET=a=10.0.0.5:4000,b=10.0.0.6:4000.";

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
    override_usage = "tcp-echo-metrics [FLAGS] [[NAME=]HOST[:PORT]]...",
    term_width = 80,
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Flags {
    /// Probe these hosts, as ping does: mode client, port 4000 by default, a line for each
    /// probe, and a report at the end. Flags may be before or after them.
    #[arg(value_name = "[NAME=]HOST[:PORT]", help_heading = "Hosts")]
    pub(super) hosts: Vec<HostArgument>,

    /// What to run: server echoes probes, client sends them, both does both.
    #[arg(
        long,
        value_name = "server|client|both",
        default_value = "server",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Mode")]
    pub(super) mode: Mode,

    /// The address that the server listens on. :4000 is all addresses of this host, IPv4
    /// and IPv6, also public ones; 127.0.0.1:4000 is one. See allow.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":4000")]
    #[arg(help_heading = "Server")]
    pub(super) listen: Address,

    /// The maximum of connections. The server refuses more; 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    pub(super) max_connections: Limit,

    /// The maximum of connections from one address, or one /64 of IPv6; 0 is no limit.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::zero_is_none, help_heading = "Server")]
    pub(super) max_connections_per_ip: Limit,

    /// Close a connection that receives nothing for this long; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = values::duration_or_off, help_heading = "Server")]
    pub(super) idle_timeout: OrOff,

    /// Reset a connection whose peer does not read its echoes for this long; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    #[arg(value_parser = values::duration_or_off, help_heading = "Server")]
    pub(super) slow_reader_timeout: OrOff,

    /// The name of the node that this process is on: the label node of every series. Probers
    /// that connect to the server are told it, for a label of theirs. An empty value is none.
    #[arg(long, value_name = "NAME", default_value = "", value_parser = values::node)]
    #[arg(hide_default_value = true, help_heading = "Fleet")]
    pub(super) node: String,

    /// The zone of that node, as for -node.
    #[arg(long, value_name = "NAME", default_value = "", value_parser = values::zone)]
    #[arg(hide_default_value = true, help_heading = "Fleet")]
    pub(super) zone: String,

    /// Ask the running process whether it is ready, at the address of -metrics, and exit: 0 if it
    /// is, 1 if not. It is for the health checks of containers without a shell. Give it the same
    /// flags or variables as the process.
    #[arg(long, help_heading = "Fleet")]
    pub(super) health: bool,

    /// Probe so many others of each list of targets; auto is all up to 64, and 32 of more. A
    /// list, of a file or of a dns+ or srv+ name, is a mesh if this is a number, or if -node is
    /// given in -mode=both: each process leaves itself out, and is probed by as many as it
    /// probes.
    #[arg(
        long,
        value_name = "auto|COUNT",
        default_value = "auto",
        help_heading = "Fleet"
    )]
    pub(super) mesh_degree: MeshDegree,

    /// Serve only these networks, separated by commas, as in 10.0.0.0/8,192.168.0.0/16;
    /// repeatable [default: any client]
    #[arg(long, value_name = "NETWORKS", help_heading = "Server")]
    pub(super) allow: Vec<Networks>,

    /// Export the packet loss and the RTT of the way to so many clients, as the server's kernel
    /// knows them; 0 is none. Later clients take the places of those that have left.
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "0",
        help_heading = "Server"
    )]
    #[arg(value_parser = values::server_clients)]
    pub(super) server_clients: usize,

    /// A target to probe; repeatable. NAME is the value of the label target, by default
    /// the address as written. :4000 is this host.
    #[cfg_attr(
        feature = "discovery",
        doc = "dns+HOST:PORT is every address of a name, srv+NAME every host of its SRV records."
    )]
    /// With web.enable-probe or targets there is no default.
    #[arg(
        long = "target",
        value_name = "[NAME=]HOST:PORT",
        default_value = ":4000"
    )]
    #[arg(help_heading = "Client")]
    pub(super) target: Vec<NamedEndpoint>,

    /// Probe the targets in this file, and follow its changes; repeatable.
    #[arg(long, value_name = "FILE", help = TARGETS, help_heading = "Client")]
    pub(super) targets: Vec<FilePattern>,

    /// Probe only shard I, from 0, of N shards of the targets, by a hash of their names.
    /// The same list with 0/3, 1/3 and 2/3 assigns each target to one prober.
    #[arg(
        long,
        value_name = "I/N",
        default_value = "0/1",
        help_heading = "Client"
    )]
    pub(super) shard: Shard,

    /// The number of probing threads. auto is one, plus one for every 5000 targets at the
    /// start and of web.probe-max, up to the number of processors.
    #[arg(long, value_name = "auto|COUNT", default_value = "auto")]
    #[arg(value_parser = values::threads, help_heading = "Client")]
    pub(super) threads: Threads,

    /// Wake a probing thread on a grid of this window, instead of for each slot and each reply,
    /// which saves processor time where slots are dense. Probes are late by up to the window;
    /// RTTs don't change, since replies have the kernel's timestamps. At most 100ms and a
    /// quarter of the shortest interval. auto is 1/20 of the shortest interval, at most 1ms,
    /// where a window has two slots or more.
    #[arg(long, value_name = "auto|off|DURATION", default_value = "auto")]
    #[arg(value_parser = values::coalesce, help_heading = "Client")]
    pub(super) coalesce: Coalesce,

    /// The length of a probe in bytes: 16, or 24 for servers of later versions of the original
    /// program, which close a connection on anything else.
    #[arg(long, value_name = "16|24", default_value = "16")]
    #[arg(value_parser = values::wire, help_heading = "Client")]
    pub(super) wire: Wire,

    /// The time between probes of a target.
    #[arg(long, value_name = "DURATION", default_value = "200ms")]
    #[arg(value_parser = tcp_echo_duration::parse_positive, help_heading = "Client")]
    pub(super) interval: Duration,

    /// The timeout of a reply. It may exceed the interval: probes don't wait for each
    /// other.
    #[arg(long, value_name = "DURATION", default_value = "800ms")]
    #[arg(value_parser = tcp_echo_duration::parse_positive, help_heading = "Client")]
    pub(super) timeout: Duration,

    /// Let the timeout follow the RTT of each target: the smoothed RTT and four times its
    /// variation, doubled when a probe times out (RFC 6298). timeout is the first one; the
    /// minimum is 200ms, and the maximum 3s, or stall if that is shorter.
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Client")]
    pub(super) adaptive: bool,

    /// The loss is that of the last COUNT probes due, 1 to 10000000. At 200ms, 1500
    /// are five minutes.
    #[arg(long, value_name = "COUNT", default_value = "100")]
    #[arg(value_parser = values::window, help_heading = "Client")]
    pub(super) window: NonZeroU32,

    /// Upper bounds of the RTT histogram, ascending, separated by commas, as in
    /// 1ms,5ms,20ms,100ms [default: 100us doubled 14 times, up to 1.6384s]
    #[arg(long, value_name = "DURATIONS", default_value = BUCKETS, hide_default_value = true)]
    #[arg(value_parser = values::buckets, help_heading = "Client")]
    pub(super) buckets: Buckets,

    /// The series of each target. standard has 34 of 144: what the alerts and most of the
    /// overview dashboard need. minimal has 10: counts, loss, and the RTT, in protobuf as
    /// a native histogram, else as quantiles over the loss window.
    #[arg(long, value_name = "all|standard|minimal", default_value = "all")]
    #[arg(value_parser = values::named::<SeriesSet>(&SeriesSet::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    pub(super) series: SeriesSet,

    /// Replace a connection that receives no reply for this long. auto is three timeouts,
    /// at least 500ms.
    #[arg(long, value_name = "auto|DURATION", default_value = "auto")]
    #[arg(value_parser = values::duration_or_auto, help_heading = "Client")]
    pub(super) stall: OrAuto,

    /// The maximum of the delay between two attempts to connect, which starts at 100ms
    /// and doubles.
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    #[arg(value_parser = tcp_echo_duration::parse_positive, help_heading = "Client")]
    pub(super) reconnect_max: Duration,

    #[cfg_attr(
        feature = "discovery",
        doc = "Look names up again after this long, or earlier if the TTL of a dns+ or srv+ name is shorter."
    )]
    #[cfg_attr(
        not(feature = "discovery"),
        doc = "Look names up again after this long."
    )]
    /// A connection stays until its address is no longer in the answer.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[arg(value_parser = tcp_echo_duration::parse_positive, help_heading = "Client")]
    pub(super) dns_refresh: Duration,

    /// The maximum of targets of one dns+ or srv+ name. If there are more, current targets
    /// stay, and the rest is logged.
    #[cfg(feature = "discovery")]
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::targets, help_heading = "Client")]
    pub(super) dns_max: NonZeroUsize,

    #[cfg_attr(
        feature = "discovery",
        doc = "Restrict targets of dns+ and srv+ names and of files"
    )]
    #[cfg_attr(not(feature = "discovery"), doc = "Restrict targets of files")]
    /// to these networks, separated by commas, as in 10.0.0.0/8,192.168.0.0/16; repeatable
    /// [default: any network]
    #[arg(long, value_name = "NETWORKS", help_heading = "Client")]
    pub(super) discover_allow: Vec<Networks>,

    /// Keep the targets of a dns+ or srv+ name for this long after its nameservers began
    /// to answer that it does not exist. 0 removes them at once.
    #[cfg(feature = "discovery")]
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = tcp_echo_duration::parse, help_heading = "Client")]
    pub(super) dns_stale: Duration,

    /// The clock that stamps replies: of the kernel, or of this process (user). auto is
    /// the kernel if it can.
    #[arg(
        long,
        value_name = "auto|kernel|user",
        default_value = "auto",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    pub(super) timestamps: Timestamps,

    /// Begin connections with a hello, by which a peer of this program tells its packet loss
    /// and its timestamps, so that loss and delay are known by direction. A peer that only
    /// echoes is not affected. auto leaves it out for a while where a peer closes such
    /// connections. With off the client sends nothing but probes, and the server only echoes.
    #[arg(long, value_name = "auto|off", default_value = "auto", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    pub(super) hello: Hello,

    /// Probe over IPv4 or IPv6 only.
    #[arg(long, value_name = "auto|4|6", default_value = "auto", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Client")]
    pub(super) ip: IpFamily,

    /// Probe from this address of this host. A name, as in sydney-dc, is the value of the
    /// label source of every series instead.
    #[arg(long, value_name = "IP|NAME", value_parser = values::source)]
    #[arg(help_heading = "Client")]
    pub(super) source: Option<Source>,

    /// Probe through this network interface, as in eth0.
    #[arg(long, value_name = "NAME", value_parser = tcp_echo_prober::parse_interface)]
    #[arg(help_heading = "Client")]
    pub(super) interface: Option<String>,

    /// Probe each target by this many flows, 1 to 64: connections from different source ports,
    /// each with probes of its own at the interval. Where a network has several paths, each
    /// flow takes one of them, and one that loses while others don't is bad. The metrics of a
    /// target are those of all its flows.
    #[arg(long, value_name = "COUNT", default_value = "1")]
    #[arg(value_parser = values::flows, help_heading = "Client")]
    pub(super) flows: NonZeroU16,

    /// The source port of the first flow of each target, 1024 to 64512; the others have the ports
    /// after it. A quarter of four flows or more goes on through further ports, to find other
    /// paths [default: any ports]
    #[arg(long, value_name = "PORT", value_parser = values::source_ports)]
    #[arg(help_heading = "Client")]
    pub(super) source_ports: Option<NonZeroU16>,

    /// When to find the hops to a target, by handshakes of a low TTL from the flow's own port:
    /// on-loss is when a connection stalls or fails, or a flow is bad; always is also before a
    /// connection. At most two traces a second, on Linux.
    #[arg(long, value_name = "off|on-loss|always", default_value = "on-loss")]
    #[arg(value_parser = values::trace, help_heading = "Client")]
    pub(super) trace: Trace,

    /// Count the votes of flows that lose or stall for this many links of the network. Later ones
    /// get none.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::votes, help_heading = "Client")]
    pub(super) votes_max: usize,

    /// Keep the outages of the targets in this file over a restart. Another content there is left
    /// alone.
    #[arg(long, value_name = "FILE", help_heading = "Client")]
    pub(super) state: Option<PathBuf>,

    /// Mark probes with this code point: 0 to 63, or a name as in ef, cs1 or af41.
    #[arg(long, value_name = "CODE", value_parser = values::dscp)]
    #[arg(help_heading = "Client")]
    pub(super) dscp: Option<Dscp>,

    /// Check this often whether the path to each target passes large packets: a burst that
    /// fills several segments, on a connection of its own. At least 1s; 0 is never.
    #[arg(long, value_name = "DURATION", default_value = "0")]
    #[arg(value_parser = values::mtu_probe, help_heading = "Client")]
    pub(super) mtu_probe: OrOff,

    /// Stop after this many slots of each flow of each target, and print a report.
    #[arg(long, value_name = "COUNT", value_parser = values::count)]
    #[arg(help_heading = "Report")]
    pub(super) count: Option<NonZeroU64>,

    /// Stop after this long, and print a report. Without count and duration, Ctrl-C ends
    /// the run; any other flag of this group has it print a report as well.
    #[arg(long, value_name = "DURATION", value_parser = tcp_echo_duration::parse_positive)]
    #[arg(help_heading = "Report")]
    pub(super) duration: Option<Duration>,

    /// The format of the report.
    #[arg(long, value_name = "table|json", default_value = "table")]
    #[arg(value_parser = values::named::<Output>(&Output::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Report")]
    pub(super) output: Output,

    /// Exit with status 1 if the loss of any target exceeds this.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "100",
        help_heading = "Report"
    )]
    pub(super) max_loss: Percent,

    /// Print a line for each probe.
    #[arg(short, long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Report")]
    pub(super) verbose: bool,

    /// Show the targets live in the terminal; q quits. With this or any other flag of this
    /// group, the metrics are served only if the flag metrics is given.
    #[cfg(feature = "terminal")]
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Report")]
    pub(super) live: bool,

    #[command(flatten)]
    pub(super) web: WebFlags,

    #[cfg(feature = "service")]
    #[command(flatten)]
    pub(super) service: ServiceFlags,

    /// The format of log lines, on standard error.
    #[arg(long, value_name = "text|json", default_value = "text")]
    #[arg(value_parser = values::named::<LogFormat>(&LogFormat::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    pub(super) log_format: LogFormat,

    /// The least severe level to log. With a report the default is warn.
    #[arg(
        long,
        value_name = "error|warn|info|debug|trace",
        default_value = "info"
    )]
    #[arg(value_parser = values::named::<LogLevel>(&LogLevel::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Logging")]
    pub(super) log_level: LogLevel,

    #[command(flatten)]
    pub(super) original: OriginalFlags,

    /// Print the manual page, or completions of these flags for a shell: bash, zsh, fish
    /// or powershell.
    #[arg(long, value_name = "man|complete-SHELL", value_enum)]
    #[arg(hide_possible_values = true, help_heading = "Help")]
    pub(super) generate: Option<Generate>,

    /// Print this help. -h prints the most common flags.
    #[arg(short, long, action = ArgAction::Help, help_heading = "Help")]
    help: Option<bool>,

    /// Print the version, the revision and the compiler.
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Help")]
    version: Option<bool>,
}
