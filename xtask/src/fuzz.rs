//! `cargo xtask fuzz`: runs the fuzzers with cargo-fuzz.
//!
//! The corpus is one archive per target, `fuzz/corpus/TARGET.tar.gz`. A fuzzer works on a copy in
//! `target/fuzzing/TARGET` and adds new inputs to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use flate2::read::GzDecoder;
use time::OffsetDateTime;

use crate::dist::archive::{self, Files, gzip, tar};
use crate::shell::{LONG, has, output, root, run as run_command};
use crate::{toolchain, tools};
use testkit::skip::skip;

/// The duration per target in `cargo xtask ci`.
const SECONDS_IN_CI: u64 = 10;

#[derive(Args)]
pub(crate) struct Options {
    /// The duration per target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Minimises the inputs found, and stores them in fuzz/corpus
    #[arg(long)]
    merge: bool,
    /// The targets to run; all if none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs every fuzzer briefly.
pub(crate) fn check() -> Result<()> {
    run(&Options {
        seconds: SECONDS_IN_CI,
        merge: false,
        targets: Vec::new(),
    })
}

/// Runs the fuzzers.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !["c++", "g++", "clang++"].iter().any(|name| has(name)) {
        return skip("no C++ compiler, which the fuzzer requires (Debian package g++)");
    }
    let mut failed = Vec::new();
    for name in select(&options.targets)? {
        let inputs = unpack(&name)?;
        if options.merge {
            run_command(cargo_fuzz("cmin", &name)?.arg(&inputs), LONG)?;
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
    let found = root().join("fuzz/found").join(name);
    command.args(found.exists().then_some(found));
    command.args(["--", "-verbosity=0", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    // The limits for one input, on a busy machine: 25 seconds and 3 GiB.
    command.args(["-timeout=25", "-rss_limit_mb=3072"]);
    let dictionary = root().join(format!("fuzz/dictionaries/{name}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    run_command(&mut command, LONG)
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
fn select(selected: &[String]) -> Result<Vec<String>> {
    let list = output(&mut tools::command("cargo-fuzz list")?)?;
    let mut names: Vec<String> = list.lines().map(ToOwned::to_owned).collect();
    if let Some(unknown) = selected.iter().find(|one| !names.contains(one)) {
        bail!("no target {unknown:?}; targets: {}", names.join(", "));
    }
    names.retain(|name| selected.is_empty() || selected.contains(name));
    Ok(names)
}

/// Returns the archive of a target's inputs.
fn corpus(name: &str) -> PathBuf {
    root().join(format!("fuzz/corpus/{name}.tar.gz"))
}

/// Unpacks the corpus into the working folder; returns the folder.
fn unpack(name: &str) -> Result<PathBuf> {
    let folder = root().join("target/fuzzing").join(name);
    fs::create_dir_all(&folder)?;
    let archive = corpus(name);
    let file = File::open(&archive).with_context(|| archive.display().to_string())?;
    tar::Archive::new(GzDecoder::new(file)).unpack(&folder)?;
    Ok(folder)
}

/// Stores the inputs of a folder in the corpus.
fn pack(name: &str, folder: &Path) -> Result<()> {
    let mut inputs = Files::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        inputs.insert(name, archive::File::plain(fs::read(file.path())?));
    }
    let bytes = gzip(&tar(&inputs, OffsetDateTime::UNIX_EPOCH)?)?;
    println!("    {name}: {} inputs", inputs.len());
    Ok(fs::write(corpus(name), bytes)?)
}
