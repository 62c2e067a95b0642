//! What continuous integration and people both run: `cargo xtask ci`.
#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

mod ci;
mod dist;
mod fuzz;
mod publish;
mod report;
mod shell;
mod toolchain;

// What has namespaces, systemd or /proc under it.
#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod chaos;
#[cfg(target_os = "linux")]
mod e2e;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod wait;
#[cfg(target_os = "linux")]
mod windows;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere::{bench, chaos, e2e, soak};

const USAGE: &str = "\
usage: cargo xtask <verb>

  ci  [WORD]   every check whose name contains WORD, all of them without it
  e2e [WORD]   the same for the end-to-end scenarios, with the release binary
  bench [--quick]
               measures everything and writes docs/benchmarks, or only shows that it runs
  chaos [--seed N] [--duration 5m]
               probers and servers in a network where all goes wrong, and every count checked
  fuzz [--seconds N] [--merge] [TARGET ...]
               runs the fuzzers, each for N seconds, or keeps what they came to
  dist [--out DIR] [ARTIFACT ...]
               makes all artifacts of a release, or those named, in target/dist
  publish [--dry-run] [--tag TAG]
               publishes the crates in the order of their dependencies
  pictures     takes the documentation's pictures of the status page, in 11 minutes
  races [WORD]
               the end-to-end scenarios under the thread sanitizer
  soak [--probes N] [--reconnects N] [--scrapes N] [--reloads N]
               a million probes and more in minutes, and whether anything grows
  windows      builds the binary for Windows and tries it under wine";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["ci"] => ci::run(""),
        ["ci", word] => ci::run(word),
        ["e2e"] => e2e::run(""),
        ["e2e", word] => e2e::run(word),
        ["pictures"] => e2e::pictures(),
        ["races"] => e2e::races(""),
        ["races", word] => e2e::races(word),
        ["windows"] => e2e::windows(),
        ["bench", ref rest @ ..] => bench::run(rest),
        ["chaos", ref rest @ ..] => chaos::run(rest),
        ["soak", ref rest @ ..] => soak::run(rest),
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
