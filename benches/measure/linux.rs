//! The steps, and the command line.

use std::env;
use std::process::ExitCode;

use testkit::report::Report;

mod coalescing;
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

/// Measures everything. With `--quick` it only shows that everything runs, in some minutes, and
/// writes nothing.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let quick = match &arguments[..] {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => {
            eprintln!("usage: measure [--quick]");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new();
    steps::all(&mut report, quick);
    report.finish()
}
