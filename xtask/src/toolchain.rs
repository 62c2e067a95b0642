//! A toolchain that can build for another target.
//!
//! If rustup has the target, the default cargo is used. Otherwise Debian's compiler is used, if it is new
//! enough: its packages include the source of the standard library.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::shell::{cargo, output, program};
use testkit::skip::skip;

/// Compiles C and links for Windows.
pub(crate) const MINGW: &str = "x86_64-w64-mingw32-gcc";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CLIPPY: &str = "/usr/bin/clippy-driver";
/// The Debian packages of the compiler and of the source.
pub(crate) const PACKAGES: &str = "rustc-web cargo-web rust-web-src";
/// The oldest compiler that builds the workspace.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");
/// The folder of the standard library's source in a compiler's library folder.
const SOURCE: &str = "src/rust";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain that runs this program, with the standard library for the target.
    Default,
    /// Debian's toolchain, which also builds the standard library.
    Debian,
}

impl Toolchain {
    /// Returns a toolchain that can build for `target`; a skip if there is none.
    pub(crate) fn of(target: &str) -> Result<Self> {
        if has_library(target) {
            Ok(Self::Default)
        } else if Self::Debian.builds_library() {
            Ok(Self::Debian)
        } else {
            skip(format!(
                "no standard library for {target}; run rustup target add {target}, or install the Debian \
                 packages {PACKAGES} of version {RUST_VERSION} or later"
            ))
        }
    }

    /// Returns a cargo command.
    pub(crate) fn cargo(self) -> Command {
        match self {
            Self::Default => cargo(&[]),
            Self::Debian => {
                let mut command = program(DEBIAN_CARGO, &[]);
                self.set_environment(&mut command);
                command
            }
        }
    }

    /// Sets the environment of a program so that it uses this toolchain.
    pub(crate) fn set_environment(self, command: &mut Command) {
        if self == Self::Default {
            return;
        }
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_")
                || text.starts_with("RUSTUP_")
                || text == "RUSTC_WRAPPER"
            {
                command.env_remove(&name);
            }
        }
        command
            .env("CARGO", DEBIAN_CARGO)
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTDOC", "/usr/bin/rustdoc")
            // Building the standard library is an unstable feature, which the stable compiler
            // allows with this variable.
            .env("RUSTC_BOOTSTRAP", "1");
    }

    /// Returns additional arguments for `cargo build`.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::Debian => &["-Zbuild-std=std,panic_abort"],
        }
    }

    /// Returns additional arguments for `cargo test`.
    pub(crate) fn test_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::Debian => &["-Zbuild-std=std,test,panic_abort"],
        }
    }

    /// Returns the clippy driver of the same version, if installed.
    pub(crate) fn clippy(self) -> Option<PathBuf> {
        let driver = match self {
            Self::Default => sysroot("rustc").join("bin/clippy-driver"),
            Self::Debian => DEBIAN_CLIPPY.into(),
        };
        driver.is_file().then_some(driver)
    }

    /// Returns whether it can build the workspace with a standard library of its own.
    pub(crate) fn builds_library(self) -> bool {
        let is_new_enough = match self {
            Self::Default => true,
            Self::Debian => version_of(DEBIAN_RUSTC).is_some_and(|version| is_new_enough(&version)),
        };
        is_new_enough && self.source().join("library").exists()
    }

    /// Returns the folder of the standard library's source, which may not exist.
    pub(crate) fn source(self) -> PathBuf {
        let rustc = match self {
            Self::Default => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        };
        library_of(rustc).join(SOURCE)
    }
}

/// Returns whether the default compiler has the standard library for `target`.
pub(crate) fn has_library(target: &str) -> bool {
    library_of("rustc").join(target).exists()
}

/// Returns the host target of the default compiler.
pub(crate) fn host() -> Result<String> {
    let version = output(&mut program("rustc", &["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("no host in the output of rustc -vV")?
        .to_owned())
}

/// Returns the runtime of a sanitizer such as `asan` for `host`, if the default compiler has it.
pub(crate) fn sanitizer(name: &str, host: &str) -> Option<PathBuf> {
    let folder = library_of("rustc").join(host).join("lib");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let ending = format!("_rt.{name}.a");
    let mut paths = files.map(|file| file.path());
    paths.find(|path| path.to_string_lossy().ends_with(&ending))
}

/// Returns a compiler's version.
fn version_of(rustc: &str) -> Option<String> {
    let text = output(&mut program(rustc, &["--version"])).ok()?;
    Some(text.split_whitespace().nth(1)?.to_owned())
}

fn is_new_enough(version: &str) -> bool {
    let numbers = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    };
    numbers(version).is_some_and(|version| Some(version) >= numbers(RUST_VERSION))
}

/// Returns a compiler's folder of standard libraries.
fn library_of(rustc: &str) -> PathBuf {
    sysroot(rustc).join("lib/rustlib")
}

/// Returns a compiler's root folder, or an empty path without the compiler.
fn sysroot(rustc: &str) -> PathBuf {
    let root = output(&mut program(rustc, &["--print", "sysroot"])).unwrap_or_default();
    root.trim().into()
}

#[cfg(test)]
mod tests {
    use super::{RUST_VERSION, is_new_enough};

    #[test]
    fn an_older_compiler_is_not_used() {
        assert!(is_new_enough(RUST_VERSION));
        assert!(is_new_enough("1.100.0"));
        assert!(!is_new_enough("1.85.0"));
        assert!(!is_new_enough("unknown"));
    }
}
