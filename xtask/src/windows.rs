//! A binary for Windows, built on Linux.
//!
//! Where rustup has the target, the usual cargo builds it. Else Debian's compiler does,
//! which comes with the source of the standard library: packages alone are enough.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::report::skip;
use crate::shell::{LONG, cargo, has, output, program, root, run};

const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Debian's packages of all that it takes to build and to run.
pub(crate) const PACKAGES: &str =
    "rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 wine wine64";

/// Where it is built: the compilers of two makers would undo each other's work.
pub(crate) fn folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target).join("windows")
}

/// Builds it and gives its path.
pub(crate) fn build() -> Result<PathBuf> {
    if !has(LINKER) {
        return skip(format!("no {LINKER}; Debian's packages: {PACKAGES}"));
    }
    let arguments = [
        "build",
        "--locked",
        "-p",
        "tcp-echo-metrics",
        "--target",
        TARGET,
    ];
    let mut command = if library_of("rustc").join(TARGET).exists() {
        cargo(&arguments)
    } else if library_of(DEBIAN_RUSTC).join("src/rust/library").exists() {
        let mut command = from_source();
        command.args(arguments).arg("-Zbuild-std=std,panic_abort");
        command
    } else {
        return skip(format!(
            "no standard library for {TARGET}: rustup target add {TARGET}, or Debian's packages: \
             {PACKAGES}"
        ));
    };
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

/// Debian's cargo with Debian's compiler, which take the standard library from its
/// source only when told that they may do what stable ones don't.
fn from_source() -> Command {
    let mut command = program(DEBIAN_CARGO, &[]);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("RUSTUP_") || text == "RUSTC_WRAPPER"
        {
            command.env_remove(&name);
        }
    }
    command
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Where a compiler keeps standard libraries; nowhere, if there is no such compiler.
fn library_of(rustc: &str) -> PathBuf {
    let root = output(&mut program(rustc, &["--print", "sysroot"])).unwrap_or_default();
    Path::new(root.trim()).join("lib/rustlib")
}
