//! The crates that need no operating system, on a machine that has its bytes the other way
//! round: s390x, which qemu plays.

use std::path::Path;

use anyhow::Result;

use crate::shell::{LONG, has, root, run};
use crate::toolchain::Toolchain;
use testkit::skip::skip;

const TARGET: &str = "s390x-unknown-linux-gnu";
const LINKER: &str = "s390x-linux-gnu-gcc";
const MACHINE: &str = "qemu-s390x-static";
/// Where its C library is.
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
        return skip(format!("Debian's packages {PACKAGES} are missing"));
    }
    // The compilers of two makers would undo each other's work.
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
        // It is slow to play: a tenth of the cases.
        .env("PROPTEST_CASES", "25");
    run(&mut command, LONG)
}
