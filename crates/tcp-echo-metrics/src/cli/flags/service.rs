//! The flags of the service.

use clap::{ArgAction, Args};

use crate::cli::config::ServiceAction;

// A doc comment would become the first lines of the help.
#[derive(Debug, Args)]
pub(in crate::cli) struct ServiceFlags {
    /// Install this program as a service of the system, with the other flags given here;
    /// uninstall, start, stop or restart it, or print its status. run is the command of
    /// the service.
    #[arg(
        long,
        value_name = "install|uninstall|start|stop|restart|status|run",
        value_enum
    )]
    #[arg(hide_possible_values = true, help_heading = "Service")]
    pub(in crate::cli) svc: Option<ServiceAction>,

    /// The name of the service, to install several.
    #[arg(long, value_name = "NAME", default_value = "tcp-echo-metrics")]
    #[arg(value_parser = tcp_echo_service::parse_name, help_heading = "Service")]
    pub(in crate::cli) svc_name: String,

    /// A service of this user rather than of the system: systemd and launchd only.
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true, help_heading = "Service")]
    pub(in crate::cli) svc_user: bool,

    /// Run the service as this account [default: an unprivileged one where the system
    /// has one].
    #[arg(long, value_name = "ACCOUNT", value_parser = tcp_echo_service::parse_account)]
    #[arg(help_heading = "Service")]
    pub(in crate::cli) svc_account: Option<String>,
}
