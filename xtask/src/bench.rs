//! `cargo xtask bench`: the program that measures, in `benches/`.

use std::process::ExitCode;

use anyhow::Result;
use testkit::report::Report;

use crate::shell::{LONG, cargo, run};

/// Measures, with these arguments.
pub(crate) fn run_all(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    report.step("measure", || measure(arguments));
    report.finish()
}

/// Shows that everything that is measured runs.
pub(crate) fn check() -> Result<()> {
    measure(&["--quick"])
}

fn measure(arguments: &[&str]) -> Result<()> {
    let mut command = cargo(&["run", "--locked", "--quiet", "-p", "tcp-echo-benches"]);
    run(
        command.args(["--bin", "measure", "--"]).args(arguments),
        LONG,
    )
}
