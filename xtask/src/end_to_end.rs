//! `cargo xtask e2e`: the release binary among real parts.

use std::process::ExitCode;

use crate::report::Report;

pub(crate) mod harness;
mod races;
pub(crate) mod runner;
mod scenarios;
mod windows;

/// Runs the scenarios whose names contain `word`.
pub(crate) fn run(word: &str) -> ExitCode {
    let mut report = Report::new();
    add_to(&mut report, word);
    report.finish()
}

/// Runs those whose names contain `word` with the thread sanitizer.
pub(crate) fn races(word: &str) -> ExitCode {
    let mut report = Report::new();
    races::check(&mut report, word);
    report.finish()
}

/// Takes the documentation's pictures of the status page.
pub(crate) fn pictures() -> ExitCode {
    let mut report = Report::new();
    runner::run_these(&mut report, vec![&scenarios::PICTURES]);
    report.finish()
}

/// Builds the binary for Windows, and tries it.
pub(crate) fn windows() -> ExitCode {
    let mut report = Report::new();
    windows::check(&mut report);
    report.finish()
}

/// The same as a part of a larger report, where it has been built before: the first
/// time takes ten minutes.
pub(crate) fn add_windows_to(report: &mut Report) {
    if crate::windows::folder().exists() {
        return windows::check(report);
    }
    report.step("windows", || {
        crate::report::skip("not built here yet: cargo xtask windows")
    });
}

/// The same as a part of a larger report.
pub(crate) fn add_to(report: &mut Report, word: &str) {
    runner::run(report, word);
}
