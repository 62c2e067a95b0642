//! A binary for Windows, built on Linux.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::report::skip;
use crate::shell::{LONG, has, output, program, run, target_dir};
use crate::toolchain::Toolchain;

const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc";
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

/// A library that Windows has had since version 10 and wine 8 lacks. The standard
/// library asks it for random numbers.
pub(crate) fn missing_library(folder: &Path) -> Result<()> {
    let source = folder.join("prng.c");
    std::fs::write(
        &source,
        "#include <windows.h>\n\
         BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);\n\
         __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)\n\
         { return SystemFunction036(data, (ULONG)length); }\n",
    )?;
    let mut command = program(LINKER, &["-shared", "-o"]);
    command
        .arg(folder.join("bcryptprimitives.dll"))
        .arg(&source)
        .arg("-ladvapi32");
    output(&mut command)?;
    Ok(std::fs::remove_file(&source)?)
}
