//! A toolchain that can build for another target.
//!
//! If rustup has the target, the default cargo is used. Otherwise Debian's compiler is used, if it is new
//! enough: its packages include the source of the standard library.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::Result;
use cargo_metadata::semver::{Version, VersionReq};

use crate::shell::{cargo, output, program};
use testkit::skip::skip;

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The Debian packages of the compiler and of the source.
pub(crate) const PACKAGES: &str = "rustc-web cargo-web rust-web-src";
/// The oldest compiler that builds the workspace.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

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

    /// Returns the argument of cargo that builds these crates of the standard library, if they are not
    /// there.
    pub(crate) fn with_library(self, crates: &str) -> Option<String> {
        (self == Self::Debian).then(|| format!("-Zbuild-std={crates}"))
    }

    /// Returns the clippy driver of the same version, if installed.
    pub(crate) fn clippy(self) -> Option<PathBuf> {
        let driver = sysroot(self.rustc()).join("bin/clippy-driver");
        driver.is_file().then_some(driver)
    }

    /// Returns whether it can build the workspace with a standard library of its own.
    pub(crate) fn builds_library(self) -> bool {
        let is_new_enough = || {
            let text = output(&mut program(self.rustc(), &["--version"])).ok()?;
            let version = Version::parse(text.split_whitespace().nth(1)?).ok()?;
            let required = VersionReq::parse(&format!(">={RUST_VERSION}")).ok()?;
            Some(required.matches(&version))
        };
        self.source().join("library").exists() && is_new_enough().unwrap_or(false)
    }

    /// Returns the folder of the standard library's source, which may not exist.
    pub(crate) fn source(self) -> PathBuf {
        library_of(self.rustc()).join("src/rust")
    }

    fn rustc(self) -> &'static str {
        match self {
            Self::Default => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        }
    }
}

/// Returns whether the default compiler has the standard library for `target`.
pub(crate) fn has_library(target: &str) -> bool {
    library_of("rustc").join(target).exists()
}

/// Returns the host target of the default compiler.
pub(crate) fn host() -> Result<String> {
    let host = output(&mut program("rustc", &["--print", "host-tuple"]))?;
    Ok(host.trim().to_owned())
}

/// Returns the runtime of a sanitizer such as `asan` for `host`, if the default compiler has it.
pub(crate) fn sanitizer(name: &str, host: &str) -> Option<PathBuf> {
    let folder = library_of("rustc").join(host).join("lib");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let ending = format!("_rt.{name}.a");
    let mut paths = files.map(|file| file.path());
    paths.find(|path| path.to_string_lossy().ends_with(&ending))
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
