//! `cargo xtask e2e`: the release binary among real parts.

use std::process::ExitCode;

use crate::report::Report;

#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod runner;
#[cfg(target_os = "linux")]
mod scenarios;

/// Runs the scenarios whose names contain `word`.
pub(crate) fn run(word: &str) -> ExitCode {
    let mut report = Report::new();
    add_to(&mut report, word);
    report.finish()
}

/// The same as a part of a larger report.
pub(crate) fn add_to(report: &mut Report, word: &str) {
    #[cfg(target_os = "linux")]
    runner::run(report, word);
    #[cfg(not(target_os = "linux"))]
    report.step("end to end", || {
        crate::report::skip(format!("the scenarios {word:?} are for Linux"))
    });
}
