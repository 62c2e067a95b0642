//! `cargo xtask fuzz`: each fuzzer for a while, by cargo-fuzz.
//!
//! The inputs that are kept are one archive a target, `fuzz/corpus/TARGET.tar.gz`. A fuzzer works on
//! a copy of them in `target/fuzzing/TARGET`, and adds to that what it finds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use flate2::read::GzDecoder;
use time::OffsetDateTime;

use crate::ci::tools;
use crate::dist::archive::{Entry, gzip, tar};
use crate::shell::{LONG, has, root, run};
use crate::toolchain;
use testkit::report::Report;
use testkit::skip::skip;

/// How long a target runs where nothing else is said.
const SECONDS: u64 = 60;
/// The same in `cargo xtask ci`.
const SECONDS_IN_CI: u64 = 10;

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [--merge] [TARGET ...]";

#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    seconds: u64,
    /// Take what was found into `fuzz/corpus`, less what covers nothing new.
    merge: bool,
    /// All of them where there is none.
    targets: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self {
            seconds: SECONDS,
            merge: false,
            targets: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--seconds" => {
                    let seconds = arguments.next().and_then(|number| number.parse().ok());
                    options.seconds = seconds.filter(|seconds| *seconds > 0).context(USAGE)?;
                }
                "--merge" => options.merge = true,
                flag if flag.starts_with('-') => bail!("{USAGE}"),
                target => options.targets.push(target),
            }
        }
        Ok(options)
    }
}

/// Runs the fuzzers that the arguments name.
pub(crate) fn run_all(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    report.step("fuzzing", || fuzz_all(&Options::parse(arguments)?));
    report.finish()
}

/// Runs every fuzzer briefly.
pub(crate) fn check() -> Result<()> {
    fuzz_all(&Options {
        seconds: SECONDS_IN_CI,
        ..Options::parse(&[])?
    })
}

fn fuzz_all(options: &Options<'_>) -> Result<()> {
    if !["c++", "g++", "clang++"].iter().any(|name| has(name)) {
        return skip("there is no C++ compiler, and the fuzzer is C++ (Debian's g++)");
    }
    let mut failed = Vec::new();
    for name in chosen(&options.targets)? {
        let inputs = unpack(&name)?;
        if options.merge {
            run(cargo_fuzz("cmin", &name)?.arg(&inputs), LONG)?;
            pack(&name, &inputs)?;
        } else if let Err(error) = fuzz(&name, &inputs, options.seconds) {
            println!("    {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("failed, see above: {}", failed.join(", "));
    }
    Ok(())
}

fn fuzz(name: &str, inputs: &Path, seconds: u64) -> Result<()> {
    let mut command = cargo_fuzz("run", name)?;
    // New inputs go into the first folder.
    command.arg(inputs);
    let found = home().join("found").join(name);
    command.args(found.exists().then_some(found));
    command.args(["--", "-verbosity=0", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    // For one input, on a busy machine: 25 seconds and 3 GiB.
    command.args(["-timeout=25", "-rss_limit_mb=3072"]);
    let dictionary = home().join(format!("dictionaries/{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    run(&mut command, LONG)
}

/// Returns `cargo fuzz` with a verb and a target. Stable compilers have all that it takes, and use it
/// only when they are told that they may.
fn cargo_fuzz(verb: &str, name: &str) -> Result<Command> {
    let mut command = tools::of_cargo("cargo-fuzz")?;
    command.env("RUSTC_BOOTSTRAP", "1").arg(verb);
    if toolchain::sanitizer("asan", &toolchain::host()?).is_none() {
        println!("    without the address sanitizer, which this compiler does not have");
        command.arg("--sanitizer=none");
    }
    command.arg(name);
    Ok(command)
}

/// Lists the targets to run, all of them where none is named.
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

fn archive(name: &str) -> PathBuf {
    home().join(format!("corpus/{name}.tar.gz"))
}

/// Adds the inputs that are kept to those of this machine, and returns the folder.
fn unpack(name: &str) -> Result<PathBuf> {
    let folder = root().join("target/fuzzing").join(name);
    fs::create_dir_all(&folder)?;
    let archive = archive(name);
    let file = File::open(&archive).with_context(|| archive.display().to_string())?;
    tar::Archive::new(GzDecoder::new(file)).unpack(&folder)?;
    Ok(folder)
}

/// Keeps the inputs of a folder.
fn pack(name: &str, folder: &Path) -> Result<()> {
    let mut entries = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        entries.push(Entry::new(name, fs::read(file.path())?));
    }
    let bytes = gzip(&tar(&entries, OffsetDateTime::UNIX_EPOCH)?)?;
    println!("    {name}: {} inputs", entries.len());
    Ok(fs::write(archive(name), bytes)?)
}

#[cfg(test)]
mod tests {
    use super::{Options, SECONDS};

    #[test]
    fn arguments() {
        let options = Options::parse(&["decoder", "--seconds", "5", "flags"]).unwrap();
        assert_eq!((options.seconds, options.merge), (5, false));
        assert_eq!(options.targets, ["decoder", "flags"]);
        assert_eq!(Options::parse(&[]).unwrap().seconds, SECONDS);
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--second", "5"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
