//! A cargo and a compiler that can build for another system.
//!
//! Where rustup has the target, the usual cargo builds for it. Else Debian's compiler
//! does, which comes with the source of the standard library: packages alone are enough.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result};

use crate::shell::{cargo, output, program};
use testkit::skip::skip;

/// Links for Windows, and compiles C for it.
pub(crate) const MINGW: &str = "x86_64-w64-mingw32-gcc";

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CLIPPY: &str = "/usr/bin/clippy-driver";
/// Debian's packages of the compiler and of the source.
pub(crate) const PACKAGES: &str = "rustc-web cargo-web rust-web-src";
/// Where a compiler keeps the source of the standard library.
const SOURCE: &str = "src/rust";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one that runs this, which has the standard library for the target.
    Usual,
    /// Debian's, which builds the standard library too.
    Debian,
}

impl Toolchain {
    /// What can build for `target`; where nothing can, that is a reason to skip.
    pub(crate) fn of(target: &str) -> Result<Self> {
        if library_of("rustc").join(target).exists() {
            Ok(Self::Usual)
        } else if Self::Debian.source().join("library").exists() {
            Ok(Self::Debian)
        } else {
            skip(format!(
                "no standard library for {target}: rustup target add {target}, or Debian's \
                 packages: {PACKAGES}"
            ))
        }
    }

    /// Its cargo.
    pub(crate) fn cargo(self) -> Command {
        match self {
            Self::Usual => cargo(&[]),
            Self::Debian => {
                let mut command = program(DEBIAN_CARGO, &[]);
                self.equip(&mut command);
                command
            }
        }
    }

    /// Has a program that calls cargo call this one.
    pub(crate) fn equip(self, command: &mut Command) {
        if self == Self::Usual {
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
            // It takes the standard library from its source only when told that it may
            // do what stable ones don't.
            .env("RUSTC_BOOTSTRAP", "1");
    }

    /// What else `cargo build` has to be told.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &[],
            Self::Debian => &["-Zbuild-std=std,panic_abort"],
        }
    }

    /// The same for tests.
    pub(crate) fn test_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &[],
            Self::Debian => &["-Zbuild-std=std,test,panic_abort"],
        }
    }

    /// The compiler's front end that is clippy, of the same version, if it is there.
    pub(crate) fn clippy(self) -> Option<PathBuf> {
        let driver = match self {
            Self::Usual => sysroot("rustc").join("bin/clippy-driver"),
            Self::Debian => DEBIAN_CLIPPY.into(),
        };
        driver.is_file().then_some(driver)
    }

    /// Where the source of its standard library is, if it has that.
    pub(crate) fn source(self) -> PathBuf {
        let rustc = match self {
            Self::Usual => "rustc",
            Self::Debian => DEBIAN_RUSTC,
        };
        library_of(rustc).join(SOURCE)
    }
}

/// What the usual compiler builds for if nothing else is said.
pub(crate) fn host() -> Result<String> {
    let told = output(&mut program("rustc", &["-vV"]))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what its host is")?
        .to_owned())
}

/// The library of a sanitizer, as `asan`, for `host`, if the usual compiler has it.
pub(crate) fn sanitizer(name: &str, host: &str) -> Option<PathBuf> {
    let folder = library_of("rustc").join(host).join("lib");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let ending = format!("_rt.{name}.a");
    let mut paths = files.map(|file| file.path());
    paths.find(|path| path.to_string_lossy().ends_with(&ending))
}

/// Where a compiler keeps standard libraries.
fn library_of(rustc: &str) -> PathBuf {
    sysroot(rustc).join("lib/rustlib")
}

/// Where a compiler is; nowhere, if there is no such compiler.
fn sysroot(rustc: &str) -> PathBuf {
    let root = output(&mut program(rustc, &["--print", "sysroot"])).unwrap_or_default();
    root.trim().into()
}
