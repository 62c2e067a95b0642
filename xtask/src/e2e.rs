//! Runs the tests of `tests/` with `cargo test` and collects their results in a report.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::dist;
use crate::shell::{cargo, run as run_command, target_dir};
use testkit::report::{Outcome, Report, results};
use testkit::skip::skip;

// Environment variables of the scenarios.
const WINDOWS_BINARY: &str = "TCP_ECHO_E2E_WINDOWS_BINARY";
const PICTURES: &str = "TCP_ECHO_E2E_PICTURES";
const RESULTS: &str = "TCP_ECHO_E2E_RESULTS";

/// The time limit for all tests on a slow machine.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// Runs the end-to-end scenarios, chaos and soak whose names contain `word`. It includes the scenario under
/// Wine if the Windows binary was built before, because the first build takes ten minutes.
pub(crate) fn run(report: &mut Report, word: &str) {
    if !cfg!(target_os = "linux") {
        report.step::<()>("end to end", || skip("Linux only"));
        return;
    }
    let mut command = test("*", &[word]);
    if word.is_empty()
        && windows_folder().exists()
        && let Some(binary) = build_for_windows(report)
    {
        command.env(WINDOWS_BINARY, binary);
    }
    add(report, &mut command);
}

/// Takes the documentation's screenshots of the status page.
pub(crate) fn pictures(report: &mut Report) {
    let mut command = test("e2e", &["--exact", "pictures of the status page"]);
    add(report, command.env(PICTURES, "1"));
}

/// Builds the Windows binary and runs its scenario under Wine.
pub(crate) fn windows(report: &mut Report) {
    if let Some(binary) = build_for_windows(report) {
        let mut command = test("e2e", &["Windows: "]);
        add(report, command.env(WINDOWS_BINARY, binary));
    }
}

/// Returns the target folder for Windows. It is separate, since two compilers would rebuild each other's
/// output.
fn windows_folder() -> PathBuf {
    target_dir().join("windows")
}

/// Builds the binary for Windows; returns its path.
fn build_for_windows(report: &mut Report) -> Option<PathBuf> {
    report.step("build for Windows", || {
        dist::build::for_windows(&windows_folder())
    })
}

/// Creates the `cargo test` command for the matching test programs, with these arguments for them.
pub(crate) fn test(programs: &str, arguments: &[&str]) -> Command {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast", "-p", "tcp-echo-e2e"]);
    command.args(["--test", programs, "--"]).args(arguments);
    command
}

/// Runs the command and adds each test to the report.
pub(crate) fn add(report: &mut Report, command: &mut Command) {
    println!("\n==> end to end");
    let start = Instant::now();
    if let Err(error) = collect(report, command) {
        report.add("end to end", Err(error).into(), start.elapsed());
    }
}

/// An error if the run was interrupted.
fn collect(report: &mut Report, command: &mut Command) -> Result<()> {
    let file = target_dir().join("e2e-results");
    if file.exists() {
        fs::remove_file(&file)?;
    }
    let run = run_command(command.env(RESULTS, &file), LIMIT);
    if !file.exists() {
        run?;
        bail!("no test ran");
    }
    let mut any_failed = false;
    for (name, outcome) in results(&file)? {
        any_failed |= matches!(outcome, Outcome::Failed(_));
        report.add_test(&format!("e2e: {name}"), outcome);
    }
    // A failed test is in the report already.
    if any_failed { Ok(()) } else { run }
}
