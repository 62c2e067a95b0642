//! The flags of the endpoints.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use tcp_echo_exporter::AllowedHosts;
use tcp_echo_net::Address;
use tcp_echo_prober::Networks;

use crate::cli::{duration, values};

// A comment for documentation would become the help's first lines.
#[derive(Debug, Args)]
pub(super) struct WebFlags {
    /// Where Prometheus finds the metrics, at /metrics.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":2112")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) metrics: Address,

    /// Serve them as this file says: TLS, client certificates, basic auth and headers,
    /// in the format of Prometheus's exporter toolkit. It is followed when it changes.
    #[arg(long = "web.config.file", value_name = "FILE")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) web_config: Option<PathBuf>,

    /// The host names and addresses under which all but /metrics, /-/healthy and /-/ready
    /// is answered, without ports and with commas between, as in
    /// echo.example.com,10.0.0.5; * stands for any [default: any; loopback names alone, as
    /// localhost, where metrics is on loopback].
    #[arg(long = "web.allowed-hosts", value_name = "LIST")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) allowed_hosts: Option<AllowedHosts>,

    /// Let anyone who reaches the endpoints POST, which is to have the targets files read
    /// again at /-/reload; false lets nobody. Without this flag it is who is on this host.
    #[arg(long = "web.enable-lifecycle", value_name = "true|false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true)]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) enable_lifecycle: Option<bool>,

    /// Let Prometheus ask for targets at /probe?target=HOST:PORT. Each is probed from
    /// then on until it is no longer asked for. Needs web.probe-allow.
    #[arg(
        long = "web.enable-probe",
        value_name = "true|false",
        default_value = "false"
    )]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true)]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) enable_probe: bool,

    /// The networks in which targets may be asked for, with commas between, as in
    /// 10.0.0.0/8,192.168.0.0/16; repeat it for more. It is the addresses connected to
    /// that count, whatever their names.
    #[arg(long = "web.probe-allow", value_name = "NETWORKS")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(super) probe_allow: Vec<Networks>,

    /// For how long a target is probed after it was last asked for. Longer than the
    /// interval of the scrapes.
    #[arg(long = "web.probe-idle", value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = duration::positive, help_heading = "Metrics endpoint")]
    pub(super) probe_idle: Duration,

    /// How many targets are probed at once because they were asked for.
    #[arg(long = "web.probe-max", value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::targets, help_heading = "Metrics endpoint")]
    pub(super) probe_max: NonZeroUsize,
}
