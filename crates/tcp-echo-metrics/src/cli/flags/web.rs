//! The flags of the endpoints.

use std::num::NonZeroUsize;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use tcp_echo_exporter::{AllowedHosts, GlobalLabel};
use tcp_echo_net::Address;
use tcp_echo_prober::Networks;

use crate::cli::values;

#[cfg(feature = "tls")]
const PASSWORD: &str = "\
The password of metrics-user, up to 72 bytes. Other users of this host see command lines: set \
TCP_ECHO_METRICS_PASS instead. svc=install does not record it";

// A doc comment would become the first lines of the help.
#[derive(Debug, Args)]
pub(in crate::cli) struct WebFlags {
    /// The address of the metrics for Prometheus, at /metrics.
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":2112")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) metrics: Address,

    /// Read TLS, client certificates, basic auth and headers from this file, in the format
    /// of Prometheus's exporter toolkit. The program follows its changes.
    #[cfg(feature = "tls")]
    #[arg(long = "web.config.file", value_name = "FILE")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) web_config: Option<PathBuf>,

    /// Require this user's name for the endpoints, with the password of metrics-pass. For
    /// more users use web.config.file.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "NAME", help_heading = "Metrics endpoint")]
    pub(in crate::cli) metrics_user: Option<String>,

    /// The password of metrics-user.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "PASSWORD", help = PASSWORD, help_heading = "Metrics endpoint")]
    pub(in crate::cli) metrics_pass: Option<String>,

    /// Serve the endpoints by HTTPS with this certificate, a PEM file. The program follows
    /// its changes. Needs metrics-tls-key.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", help_heading = "Metrics endpoint")]
    pub(in crate::cli) metrics_tls_cert: Option<String>,

    /// The key of metrics-tls-cert, a PEM file.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", help_heading = "Metrics endpoint")]
    pub(in crate::cli) metrics_tls_key: Option<String>,

    /// A label for every series, as in region=eu; repeatable. A target's own label of the
    /// same name wins.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::label)]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) label: Vec<GlobalLabel>,

    /// Answer requests only for these host names and addresses, without ports, separated
    /// by commas, as in echo.example.com,10.0.0.5; * is any. /metrics, /-/healthy and
    /// /-/ready always answer [default: any; loopback names, as localhost, if metrics is
    /// on loopback].
    #[arg(long = "web.allowed-hosts", value_name = "LIST")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) allowed_hosts: Option<AllowedHosts>,

    /// Let any client reload the targets files, by POST to /-/reload; false lets none
    /// [default: clients on this host].
    #[arg(long = "web.enable-lifecycle", value_name = "true|false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true)]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) enable_lifecycle: Option<bool>,

    /// Let Prometheus request targets at /probe?target=HOST:PORT. Each is probed until
    /// requests for it end. Needs web.probe-allow.
    #[arg(
        long = "web.enable-probe",
        value_name = "true|false",
        default_value = "false"
    )]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true)]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) enable_probe: bool,

    /// Restrict requested targets to these networks, separated by commas, as in
    /// 10.0.0.0/8,192.168.0.0/16; repeatable. The addresses connected to count, not the
    /// names.
    #[arg(long = "web.probe-allow", value_name = "NETWORKS")]
    #[arg(help_heading = "Metrics endpoint")]
    pub(in crate::cli) probe_allow: Vec<Networks>,

    /// Stop probing a requested target this long after its last request. Use more than
    /// the scrape interval.
    #[arg(long = "web.probe-idle", value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = tcp_echo_duration::parse_positive, help_heading = "Metrics endpoint")]
    pub(in crate::cli) probe_idle: Duration,

    /// The maximum of requested targets.
    #[arg(long = "web.probe-max", value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = values::targets, help_heading = "Metrics endpoint")]
    pub(in crate::cli) probe_max: NonZeroUsize,
}
