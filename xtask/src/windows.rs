//! A binary for Windows, built on Linux.

use std::path::PathBuf;

use anyhow::Result;

use crate::report::skip;
use crate::shell::{LONG, has, run, target_dir};
use crate::toolchain::Toolchain;

const TARGET: &str = "x86_64-pc-windows-gnu";
/// It compiles C too.
pub(crate) const LINKER: &str = "x86_64-w64-mingw32-gcc";
/// Debian's packages of all that it takes to build and to run.
pub(crate) const PACKAGES: &str =
    "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 wine wine64";

/// Where it is built: the compilers of two makers would undo each other's work.
pub(crate) fn folder() -> PathBuf {
    target_dir().join("windows")
}

/// Builds it and gives its path.
pub(crate) fn build() -> Result<PathBuf> {
    if !has(LINKER) {
        return skip(format!("no {LINKER}; Debian's packages: {PACKAGES}"));
    }
    let Some(toolchain) = Toolchain::of(TARGET) else {
        return skip(format!(
            "no standard library for {TARGET}: rustup target add {TARGET}, or Debian's packages: \
             {PACKAGES}"
        ));
    };
    let mut command = toolchain.cargo();
    command
        .args(["build", "--locked", "-p", "tcp-echo-metrics"])
        .args(["--target", TARGET])
        .args(toolchain.arguments());
    command
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", LINKER)
        .env("CARGO_TARGET_DIR", folder());
    run(&mut command, LONG)?;
    Ok(folder().join(TARGET).join("debug/tcp-echo-metrics.exe"))
}
