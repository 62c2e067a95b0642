//! From a configuration to running parts.

use std::process::ExitCode;

use tcp_echo_metrics::cli::Config;
use tcp_echo_metrics::logging;

/// Runs what `config` asks for until it ends, and gives the exit status.
pub(crate) fn run(config: &Config) -> ExitCode {
    logging::init(config.log);
    tracing::debug!(?config, "configured");
    ExitCode::SUCCESS
}
