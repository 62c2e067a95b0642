//! `cargo xtask bench`: the figures of the project, measured and written down.

use std::process::ExitCode;

use anyhow::Result;

use crate::report::Report;

mod criterion;
mod curve;
mod fleet;
mod instructions;
mod machine;
mod others;
mod page;
mod plot;
mod probers;
mod program;
mod results;
mod scale;
mod servers;
mod steps;

/// With `--quick` it only shows that everything runs, in under a minute, and writes nothing.
pub(crate) fn run(arguments: &[&str]) -> ExitCode {
    let quick = match arguments {
        [] => false,
        ["--quick"] => true,
        _ => {
            eprintln!("usage: cargo xtask bench [--quick]");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new();
    steps::all(&mut report, quick);
    report.finish()
}

/// As a check among others.
pub(crate) fn runs() -> Result<()> {
    steps::quick()
}
