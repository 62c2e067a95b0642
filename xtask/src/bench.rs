//! `cargo xtask bench`: the figures of the project, measured and written down.

use std::process::ExitCode;

use anyhow::Result;

use crate::report::Report;

#[cfg(target_os = "linux")]
mod criterion;
#[cfg(target_os = "linux")]
mod curve;
#[cfg(target_os = "linux")]
mod fleet;
#[cfg(target_os = "linux")]
mod instructions;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod others;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod plot;
#[cfg(target_os = "linux")]
mod probers;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod scale;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
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
    measure(&mut report, quick);
    report.finish()
}

/// As a check among others.
pub(crate) fn runs() -> Result<()> {
    #[cfg(target_os = "linux")]
    return steps::quick();
    #[cfg(not(target_os = "linux"))]
    crate::report::skip("the benches are for Linux")
}

fn measure(report: &mut Report, quick: bool) {
    #[cfg(target_os = "linux")]
    steps::all(report, quick);
    #[cfg(not(target_os = "linux"))]
    report.step("benches", || {
        crate::report::skip(format!("they are for Linux (quick: {quick})"))
    });
}
