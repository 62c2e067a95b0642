//! Developer tasks, run locally and in continuous integration: `cargo xtask ci`.
#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

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

const USAGE: &str = "\
usage: cargo xtask <verb>

  test         all tests: of the crates, in the documentation, end to end
  ci  [WORD]   all tests and checks, or the checks whose names contain WORD
  e2e [WORD]   the end-to-end tests, chaos and soak, those whose names contain WORD
  bench [--quick]
               measures everything and writes docs/benchmarks; --quick only checks that it runs
  fuzz [--seconds N] [--merge] [TARGET ...]
               runs the fuzzers, each for N seconds, or minimises the corpus
  dist [--out DIR] [ARTIFACT ...]
               builds all artifacts of a release, or those named, in target/dist
  publish [--dry-run] [--tag TAG]
               publishes the crates in dependency order
  pictures     takes the documentation's screenshots of the status page, in 11 minutes
  races [WORD]
               the end-to-end scenarios under the thread sanitizer
  windows      builds the Windows binary and tests it under Wine";

/// Measures with the program in `benches/`.
fn bench(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    report.step("measure", || {
        let line = "cargo run --locked --quiet -p tcp-echo-benches --bin measure --";
        shell::run(tools::command(line)?.args(arguments), shell::LONG)
    });
    report.finish()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["test"] => ci::test(),
        ["ci"] => ci::run(""),
        ["ci", word] => ci::run(word),
        ["e2e"] => e2e::run(""),
        ["e2e", word] => e2e::run(word),
        ["pictures"] => e2e::pictures(),
        ["races"] => races::run(""),
        ["races", word] => races::run(word),
        ["windows"] => e2e::windows(),
        ["bench", ref rest @ ..] => bench(rest),
        ["dist", ref rest @ ..] => dist::run(rest),
        ["publish", ref rest @ ..] => publish::run_all(rest),
        ["fuzz", ref rest @ ..] => fuzz::run_all(rest),
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
