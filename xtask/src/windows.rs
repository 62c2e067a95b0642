//! Builds the Windows binary on Linux.

use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{LONG, has, run, target_dir};
use crate::toolchain::{MINGW, Toolchain};
use testkit::skip::skip;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// The Debian packages required to build and run it.
const PACKAGES: &str = "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 wine wine64";

/// Returns the target folder. It is separate, since two compilers would rebuild each other's output.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("windows")
}

/// Builds the binary; returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    if !has(MINGW) {
        return skip(format!("{MINGW} is missing (Debian packages {PACKAGES})"));
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
