//! Flags of the original whose meaning another flag has here.

use std::time::Duration;

use clap::{ArgAction, Args};

// A doc comment would become the first lines of the help.
#[derive(Debug, Args)]
pub(in crate::cli) struct OriginalFlags {
    /// The same as -log-format=json.
    #[arg(long, value_name = "true|false", default_value = "false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, hide_possible_values = true)]
    #[arg(help_heading = "Command lines of the original")]
    pub(in crate::cli) json_logs: bool,

    /// The same as idle-timeout.
    #[arg(long, value_name = "DURATION", value_parser = tcp_echo_duration::parse_positive)]
    #[arg(help_heading = "Command lines of the original")]
    pub(in crate::cli) read_timeout: Option<Duration>,
}
