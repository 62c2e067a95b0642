//! Tests the crates without I/O on a big-endian machine: s390x, emulated by qemu.

use std::path::Path;

use anyhow::Result;

use crate::shell::{LONG, has, root, run};
use crate::toolchain::Toolchain;
use testkit::skip::skip;

const TARGET: &str = "s390x-unknown-linux-gnu";
const LINKER: &str = "s390x-linux-gnu-gcc";
const MACHINE: &str = "qemu-s390x-static";
/// The folder of the C library for s390x.
const LIBRARY: &str = "/usr/s390x-linux-gnu";
const CRATES: [&str; 4] = [
    "tcp-echo-net",
    "tcp-echo-loss",
    "tcp-echo-session",
    "tcp-echo-wire",
];
const PACKAGES: &str = "gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static";

pub(super) fn tests() -> Result<()> {
    if !has(LINKER) || !has(MACHINE) || !Path::new(LIBRARY).exists() {
        return skip(format!("missing Debian packages: {PACKAGES}"));
    }
    // A separate folder, since two compilers would rebuild each other's output.
    let folder = root().join("target/big-endian");
    let toolchain = Toolchain::of(TARGET)?;
    let mut command = toolchain.cargo();
    command
        .arg("test")
        .args(toolchain.test_arguments())
        .args(["--locked", "--target", TARGET, "--lib", "--tests"])
        .args(CRATES.map(|name| format!("--package={name}")))
        .env("CARGO_TARGET_DIR", folder)
        .env("CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        .env(
            "CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{MACHINE} -L {LIBRARY}"),
        )
        // A tenth of the cases, since emulation is slow.
        .env("PROPTEST_CASES", "25");
    run(&mut command, LONG)
}
