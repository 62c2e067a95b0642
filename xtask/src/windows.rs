//! The binary for Windows, built on Linux.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{LONG, has, run, target_dir};
use crate::toolchain::{MINGW, Toolchain};
use testkit::skip::skip;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// Debian's packages of all that it takes to build and to run.
const PACKAGES: &str = "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 wine wine64";

/// Where it is built: two compilers would rebuild each other's work in one folder.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("windows")
}

/// Builds it and gives its path.
pub(crate) fn build() -> Result<PathBuf> {
    if !has(MINGW) {
        return skip(format!("no {MINGW}; Debian's packages: {PACKAGES}"));
    }
    let toolchain = Toolchain::of(TARGET)?;
    let mut command = toolchain.cargo();
    command
        .args(["build", "--locked", "-p", "tcp-echo-metrics"])
        .args(["--target", TARGET])
        .args(toolchain.arguments());
    command
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW)
        .env("CARGO_TARGET_DIR", folder());
    run(&mut command, LONG)?;
    Ok(folder().join(TARGET).join("debug/tcp-echo-metrics.exe"))
}
