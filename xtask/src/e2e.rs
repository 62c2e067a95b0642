//! Runs the tests of `tests/` with `cargo test` and collects their results in a report.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::shell::cargo;
use crate::test_output;
use crate::windows;
use testkit::report::Report;
use testkit::skip::skip;

// Environment variables of the scenarios.
const WINDOWS_BINARY: &str = "TCP_ECHO_E2E_WINDOWS_BINARY";
const PICTURES: &str = "TCP_ECHO_E2E_PICTURES";

/// Runs the end-to-end scenarios, chaos and soak whose names contain `word`.
pub(crate) fn run(word: &str) -> ExitCode {
    let mut report = Report::new();
    add_to(&mut report, word);
    report.finish()
}

/// Like [`run`], as part of a larger report. It includes the scenario under Wine if the Windows binary
/// was built before, because the first build takes ten minutes.
pub(crate) fn add_to(report: &mut Report, word: &str) {
    if !cfg!(target_os = "linux") {
        report.step("end to end", || skip("Linux only"));
        return;
    }
    let mut command = test("*", &[word]);
    if word.is_empty()
        && windows::folder().exists()
        && let Some(binary) = build_for_windows(report)
    {
        command.env(WINDOWS_BINARY, binary);
    }
    add(report, &mut command);
}

/// Takes the documentation's screenshots of the status page.
pub(crate) fn pictures() -> ExitCode {
    let mut report = Report::new();
    let mut command = test("e2e", &["--exact", "pictures of the status page"]);
    add(&mut report, command.env(PICTURES, "1"));
    report.finish()
}

/// Builds the Windows binary and runs its scenario under Wine.
pub(crate) fn windows() -> ExitCode {
    let mut report = Report::new();
    if let Some(binary) = build_for_windows(&mut report) {
        let mut command = test("e2e", &["Windows: "]);
        add(&mut report, command.env(WINDOWS_BINARY, binary));
    }
    report.finish()
}

fn build_for_windows(report: &mut Report) -> Option<OsString> {
    let mut built = None;
    report.step("build for Windows", || {
        built = Some(windows::build()?);
        Ok(())
    });
    built.map(Into::into)
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
    let complete = test_output::of(command).and_then(|results| {
        for (name, outcome) in results.tests {
            report.add_test(&format!("e2e: {name}"), outcome);
        }
        results.complete
    });
    if complete.is_err() {
        report.add("end to end", complete.into(), start.elapsed());
    }
}
