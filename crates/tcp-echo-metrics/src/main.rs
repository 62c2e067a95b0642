//! Measure TCP latency and loss between hosts, continuously, for Prometheus.
#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use tcp_echo_metrics::cli;

mod run;

fn main() -> ExitCode {
    match cli::parse(env::args_os().skip(1), |name| env::var_os(name)) {
        Ok(config) => run::run(&config),
        Err(stop) => stop.report(),
    }
}
