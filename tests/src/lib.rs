//! The program as its users run it: end to end with real peers, in a network that fails, and
//! for a long time.
//!
//! ```sh
//! cargo test -p tcp-echo-e2e                # all of it
//! cargo test -p tcp-echo-e2e -- flood       # scenarios by a part of their names
//! cargo test -p tcp-echo-e2e --test chaos   # a network in which everything fails
//! cargo test -p tcp-echo-e2e --test soak    # what takes weeks, in minutes
//! ```
//!
//! All of it runs the release binary, which is built first, or the one that
//! `TCP_ECHO_E2E_BINARY` names. Root on Debian installs the programs that a scenario needs; where
//! something is missing, the scenario is ignored, with the reason. All of it is for Linux; on
//! other systems there is nothing to run.
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

    /// There is nothing to run.
    pub fn run_e2e() -> ExitCode {
        let arguments = libtest_mimic::Arguments::from_args();
        libtest_mimic::run(&arguments, Vec::new()).exit_code()
    }

    pub use {run_e2e as run_chaos, run_e2e as run_soak};
}
