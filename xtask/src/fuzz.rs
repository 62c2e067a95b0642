//! `cargo xtask fuzz`: runs the fuzzers with cargo-fuzz.
//!
//! The corpus is one archive per target, `fuzz/corpus/TARGET.tar.gz`. A fuzzer works on a copy in
//! `target/fuzzing/TARGET` and adds new inputs to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use flate2::read::GzDecoder;
use time::OffsetDateTime;

use crate::dist::archive::{Entry, gzip, tar};
use crate::shell::{LONG, has, root, run};
use crate::{toolchain, tools};
use testkit::report::Report;
use testkit::skip::skip;

/// The default duration per target.
const SECONDS: u64 = 60;
/// The duration per target in `cargo xtask ci`.
const SECONDS_IN_CI: u64 = 10;

const USAGE: &str = "usage: cargo xtask fuzz [--seconds N] [--merge] [TARGET ...]";

#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    seconds: u64,
    /// Minimise the inputs found and store them in `fuzz/corpus`.
    merge: bool,
    /// The targets to run; all if empty.
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

/// Runs the fuzzers selected by the arguments.
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
        return skip("no C++ compiler, which the fuzzer requires (Debian package g++)");
    }
    let mut failed = Vec::new();
    for name in select(&options.targets)? {
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
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn fuzz(name: &str, inputs: &Path, seconds: u64) -> Result<()> {
    let mut command = cargo_fuzz("run", name)?;
    // New inputs are written to the first folder.
    command.arg(inputs);
    let found = fuzz_dir().join("found").join(name);
    command.args(found.exists().then_some(found));
    command.args(["--", "-verbosity=0", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    // The limits for one input, on a busy machine: 25 seconds and 3 GiB.
    command.args(["-timeout=25", "-rss_limit_mb=3072"]);
    let dictionary = fuzz_dir().join(format!("dictionaries/{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    run(&mut command, LONG)
}

/// Returns `cargo fuzz` with a verb and a target. The stable compiler supports all required flags if
/// `RUSTC_BOOTSTRAP` is set.
fn cargo_fuzz(verb: &str, name: &str) -> Result<Command> {
    let mut command = tools::command("cargo-fuzz")?;
    command.env("RUSTC_BOOTSTRAP", "1").arg(verb);
    if toolchain::sanitizer("asan", &toolchain::host()?).is_none() {
        println!("    without the address sanitizer, which this compiler lacks");
        command.arg("--sanitizer=none");
    }
    command.arg(name);
    Ok(command)
}

/// Lists the selected targets, or all if none is named.
fn select(selected: &[&str]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(fuzz_dir().join("fuzz_targets"))? {
        let path = file?.path();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    if let Some(unknown) = selected
        .iter()
        .find(|one| !names.iter().any(|name| name == *one))
    {
        bail!("no target {unknown:?}; targets: {}", names.join(", "));
    }
    names.retain(|name| selected.is_empty() || selected.contains(&&**name));
    Ok(names)
}

/// Returns the folder of the fuzz package.
fn fuzz_dir() -> PathBuf {
    root().join("fuzz")
}

fn archive(name: &str) -> PathBuf {
    fuzz_dir().join(format!("corpus/{name}.tar.gz"))
}

/// Unpacks the corpus into the working folder; returns the folder.
fn unpack(name: &str) -> Result<PathBuf> {
    let folder = root().join("target/fuzzing").join(name);
    fs::create_dir_all(&folder)?;
    let archive = archive(name);
    let file = File::open(&archive).with_context(|| archive.display().to_string())?;
    tar::Archive::new(GzDecoder::new(file)).unpack(&folder)?;
    Ok(folder)
}

/// Stores the inputs of a folder in the corpus.
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
    fn arguments_are_parsed() {
        let options = Options::parse(&["decoder", "--seconds", "5", "flags"]).unwrap();
        assert_eq!((options.seconds, options.merge), (5, false));
        assert_eq!(options.targets, ["decoder", "flags"]);
        assert_eq!(Options::parse(&[]).unwrap().seconds, SECONDS);
        for invalid in [&["--seconds"][..], &["--seconds", "0"], &["--second", "5"]] {
            assert!(Options::parse(invalid).is_err(), "{invalid:?}");
        }
    }
}
