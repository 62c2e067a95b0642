//! Checks for other machines than this one.

use std::path::Path;

use anyhow::Result;

use crate::shell::{LONG, has, run, target_dir};
use crate::toolchain::{Toolchain, has_library};
use crate::tools::run_line;
use testkit::skip::skip;

/// A target without a standard library.
const BARE: &str = "thumbv7em-none-eabi";

const S390X: &str = "s390x-unknown-linux-gnu";
const LINKER: &str = "s390x-linux-gnu-gcc";
const EMULATOR: &str = "qemu-s390x-static";
/// The folder of the C library for s390x.
const LIBRARY: &str = "/usr/s390x-linux-gnu";

/// Builds the `no_std` crates without the standard library.
pub(super) fn no_std() -> Result<()> {
    if !has_library(BARE) {
        return skip(format!("no target {BARE}; run rustup target add {BARE}"));
    }
    run_line(&format!(
        "cargo check --locked -p tcp-echo-wire -p tcp-echo-loss --target {BARE}"
    ))
}

/// Tests the crates without I/O on a big-endian machine: s390x, emulated by qemu.
pub(super) fn big_endian() -> Result<()> {
    if !has(LINKER) || !has(EMULATOR) || !Path::new(LIBRARY).exists() {
        return skip(
            "missing Debian packages: gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static",
        );
    }
    let toolchain = Toolchain::of(S390X)?;
    let mut command = toolchain.cargo();
    command
        .arg("test")
        .args(toolchain.with_library("std,test,panic_abort"))
        .args(["--locked", "--target", S390X, "--lib", "--tests"])
        .args(["net", "loss", "session", "wire"].map(|name| format!("-ptcp-echo-{name}")))
        // A separate folder, since two compilers would rebuild each other's output.
        .env("CARGO_TARGET_DIR", target_dir().join("big-endian"))
        .env("CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env(
            "CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{EMULATOR} -L {LIBRARY}"),
        )
        // A tenth of the cases, since emulation is slow.
        .env("PROPTEST_CASES", "25");
    run(&mut command, LONG)
}
