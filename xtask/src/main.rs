//! Developer tasks, run locally and in continuous integration: `cargo xtask ci`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

mod ci;
mod dist;
mod e2e;
mod fuzz;
mod publish;
mod races;
mod toolchain;
mod tools;

use testkit::report::Report;
use testkit::shell;

#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Verb {
    /// All tests: of the crates, in the documentation, end to end
    Test,
    /// All tests and checks, or the checks whose names contain WORD
    Ci {
        #[arg(default_value = "")]
        word: String,
    },
    /// The end-to-end tests, chaos and soak, those whose names contain WORD
    E2e {
        #[arg(default_value = "")]
        word: String,
    },
    /// Measures everything and writes docs/benchmarks
    Bench {
        /// Only checks that it runs
        #[arg(long)]
        quick: bool,
    },
    /// Runs the fuzzers
    Fuzz(fuzz::Options),
    /// Builds all artifacts of a release, or those named
    Dist(dist::Options),
    /// Publishes the crates in dependency order
    Publish(publish::Options),
    /// Takes the documentation's screenshots of the status page, in 11 minutes
    Pictures,
    /// The end-to-end scenarios under the thread sanitizer
    Races {
        #[arg(default_value = "")]
        word: String,
    },
    /// Builds the Windows binary and tests it under Wine
    Windows,
}

fn main() -> ExitCode {
    let mut report = Report::new();
    match Verb::parse() {
        Verb::Test => ci::test(&mut report),
        Verb::Ci { word } => ci::run(&mut report, &word),
        Verb::E2e { word } => e2e::run(&mut report, &word),
        Verb::Bench { quick } => {
            report.step("measure", || {
                ci::measure(if quick { "--quick" } else { "" })
            });
        }
        Verb::Fuzz(options) => {
            report.step("fuzzing", || fuzz::run(&options));
        }
        Verb::Dist(options) => dist::run(&mut report, options),
        Verb::Publish(options) => {
            report.step("publish", || publish::run(&options));
        }
        Verb::Pictures => e2e::pictures(&mut report),
        Verb::Races { word } => races::run(&mut report, &word),
        Verb::Windows => e2e::windows(&mut report),
    }
    report.finish()
}
