//! End-to-end tests of the binary: scenarios with real peers, chaos (a network with injected
//! faults), and soak (long runs).
//!
//! ```sh
//! cargo test -p tcp-echo-e2e                # everything
//! cargo test -p tcp-echo-e2e -- flood       # scenarios whose names contain "flood"
//! cargo test -p tcp-echo-e2e --test chaos   # a network with all kinds of faults
//! cargo test -p tcp-echo-e2e --test soak    # weeks of load, in minutes
//! ```
//!
//! The tests run the release binary, which is built first, or the binary in the environment
//! variable `TCP_ECHO_E2E_BINARY`. As root on Debian, the programs that a scenario needs are
//! installed; if something is missing, the scenario is ignored and the reason printed. The tests
//! exist for Linux only.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod chaos;
#[cfg(target_os = "linux")]
mod e2e;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod soak;

/// Runs the end-to-end scenarios.
#[cfg(target_os = "linux")]
pub fn run_e2e() -> ExitCode {
    runner::run(e2e::all())
}

/// Runs chaos.
#[cfg(target_os = "linux")]
pub fn run_chaos() -> ExitCode {
    runner::run([&chaos::SCENARIO])
}

/// Runs soak.
#[cfg(target_os = "linux")]
pub fn run_soak() -> ExitCode {
    runner::run([&soak::SCENARIO])
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{run_chaos, run_e2e, run_soak};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::ExitCode;

    /// Runs no tests.
    pub fn run_e2e() -> ExitCode {
        let arguments = libtest_mimic::Arguments::from_args();
        libtest_mimic::run(&arguments, Vec::new()).exit_code()
    }

    pub use {run_e2e as run_chaos, run_e2e as run_soak};
}
