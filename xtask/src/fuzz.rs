//! Fuzzing: `cargo xtask fuzz` builds the targets of `fuzz/` and runs them.
//!
//! The compiler is given what cargo-fuzz would give it, so that nothing has to be
//! installed: coverage for libFuzzer, which is C++ and comes with its crate, and the
//! address sanitizer where the compiler has it.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::report::{Report, skip};
use crate::shell::{LONG, cargo, has, output, root, run};
use crate::toolchain;

mod target;

use target::Target;

const PACKAGE: &str = "tcp-echo-fuzz";
/// How long a target runs where nothing else is said.
const SECONDS: u64 = 60;
/// The same in `cargo xtask ci`, for which people wait: the workflow runs them for longer.
const SECONDS_IN_CI: u64 = 10;
/// How many run at a time.
const AT_ONCE: usize = 2;

const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "--cfg=fuzzing",
];

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [--merge] [TARGET ...]";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    seconds: u64,
    /// Take into `fuzz/corpus` what was found, and drop what others there cover.
    merge: bool,
    /// All of them where there is none.
    targets: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut asked = Self {
            seconds: SECONDS,
            merge: false,
            targets: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--seconds" => {
                    let seconds = arguments.next().and_then(|number| number.parse().ok());
                    asked.seconds = seconds.filter(|seconds| *seconds > 0).context(USAGE)?;
                }
                "--merge" => asked.merge = true,
                flag if flag.starts_with('-') => bail!("{USAGE}"),
                target => asked.targets.push(target),
            }
        }
        Ok(asked)
    }
}

/// `cargo xtask fuzz`.
pub(crate) fn run_all(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    report.step("fuzzing", || {
        let asked = Asked::parse(arguments)?;
        fuzz(&asked)
    });
    report.finish()
}

/// Every target, briefly.
pub(crate) fn check() -> Result<()> {
    fuzz(&Asked {
        seconds: SECONDS_IN_CI,
        ..Asked::parse(&[])?
    })
}

fn fuzz(asked: &Asked<'_>) -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return skip("the flags of the compiler are those for Linux on x86-64");
    }
    if !["c++", "g++", "clang++"].iter().any(|name| has(name)) {
        return skip("there is no C++ compiler, and the fuzzer is C++ (Debian's g++)");
    }
    let names = chosen(&asked.targets)?;
    let folder = build(&names)?;
    let targets = names.iter().map(|name| Target::new(name, &folder));
    let targets: Vec<_> = targets.collect::<Result<_>>()?;
    if asked.merge {
        return targets.iter().try_for_each(Target::merge);
    }
    let queue = Mutex::new(targets.iter().collect::<VecDeque<_>>());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    };
    let limit = Duration::from_secs(asked.seconds);
    let worker = || {
        let mut failed = Vec::new();
        while let Some(target) = next() {
            if let Err(error) = target.run(limit) {
                println!("    {}: {error:#}", target.name());
                failed.push(target.name().to_owned());
            }
        }
        failed
    };
    let failed: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|failed| failed.unwrap_or_else(|_| vec!["a thread of this".to_owned()]))
            .collect()
    });
    if !failed.is_empty() {
        bail!("something was found, see above: {}", failed.join(", "));
    }
    Ok(())
}

/// The names of the targets to run, all of them where none is named.
fn chosen(asked: &[&str]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(home().join("fuzz_targets"))? {
        let path = file?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if let Some(unknown) = asked
        .iter()
        .find(|one| !names.iter().any(|name| name == *one))
    {
        bail!("no target {unknown:?}: there are {}", names.join(", "));
    }
    names.retain(|name| asked.is_empty() || asked.contains(&&**name));
    Ok(names)
}

/// The folder of the fuzz package.
fn home() -> PathBuf {
    root().join("fuzz")
}

/// Builds the targets, and gives the folder of their programs.
fn build(names: &[String]) -> Result<PathBuf> {
    let host = toolchain::host()?;
    let mut flags = COVERAGE.to_vec();
    if toolchain::sanitizer("asan", &host).is_some() {
        flags.push("-Zsanitizer=address");
    } else {
        println!("    without the address sanitizer, which this compiler does not have");
    }
    let mut command = cargo(&["build", "--locked", "--profile=fuzz", "--package", PACKAGE]);
    // With a target named, build scripts and macros are not given the flags.
    command.args(["--target", &host]);
    for name in names {
        command.args(["--bin", name]);
    }
    // Stable compilers have all of this, and take it only when told that they may.
    command.env("RUSTC_BOOTSTRAP", "1");
    command.env("RUSTFLAGS", flags.join(" "));
    run(&mut command, LONG)?;
    Ok(target_folder()?.join(host).join("fuzz"))
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    let text = output(&mut cargo(&["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let folder = metadata["target_directory"].as_str();
    Ok(folder.context("cargo names no target directory")?.into())
}

/// A fuzzer's program, with the least of everything else's time.
fn nice(path: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(path).current_dir(root());
    command
}

#[cfg(test)]
mod tests {
    use super::{Asked, SECONDS};

    #[test]
    fn what_the_command_line_asks_for() {
        let asked = Asked::parse(&["decoder", "--seconds", "5", "flags"]).unwrap();
        assert_eq!((asked.seconds, asked.merge), (5, false));
        assert_eq!(asked.targets, ["decoder", "flags"]);
        assert_eq!(Asked::parse(&[]).unwrap().seconds, SECONDS);
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--second", "5"]] {
            assert!(Asked::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
