//! `cargo xtask e2e`: the release binary among real parts.

use std::process::ExitCode;

use crate::report::Report;

#[cfg(target_os = "linux")]
pub(crate) mod harness;
#[cfg(target_os = "linux")]
mod races;
#[cfg(target_os = "linux")]
pub(crate) mod runner;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
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
    #[cfg(target_os = "linux")]
    races::check(&mut report, word);
    #[cfg(not(target_os = "linux"))]
    report.step("races", || {
        crate::report::skip(format!("the scenarios {word:?} are for Linux"))
    });
    report.finish()
}

/// Takes the documentation's pictures of the status page.
pub(crate) fn pictures() -> ExitCode {
    let mut report = Report::new();
    #[cfg(target_os = "linux")]
    runner::run_these(&mut report, vec![&scenarios::PICTURES]);
    #[cfg(not(target_os = "linux"))]
    report.step("pictures", || {
        crate::report::skip("they are taken on Linux")
    });
    report.finish()
}

/// Builds the binary for Windows, and tries it.
pub(crate) fn windows() -> ExitCode {
    let mut report = Report::new();
    #[cfg(target_os = "linux")]
    windows::check(&mut report);
    #[cfg(not(target_os = "linux"))]
    report.step("windows", || {
        crate::report::skip("it is built and tried on Linux")
    });
    report.finish()
}

/// The same as a part of a larger report, where it has been built before: the first
/// time takes ten minutes.
pub(crate) fn add_windows_to(report: &mut Report) {
    #[cfg(target_os = "linux")]
    if crate::windows::folder().exists() {
        return windows::check(report);
    }
    report.step("windows", || {
        crate::report::skip("not built here yet: cargo xtask windows")
    });
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
