//! The crates that need no operating system, on a machine that has its bytes the other way
//! round: s390x, which qemu plays.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::report::skip;
use crate::shell::{LONG, cargo, has, output, program, root, run};

const TARGET: &str = "s390x-unknown-linux-gnu";
const LINKER: &str = "s390x-linux-gnu-gcc";
const MACHINE: &str = "qemu-s390x-static";
/// Where its C library is.
const LIBRARY: &str = "/usr/s390x-linux-gnu";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const CRATES: [&str; 4] = [
    "tcp-echo-address",
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
    let mut command = compiler()?;
    command
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

/// `cargo test` for the target: as rustup has it, or with Debian's compiler and the source
/// of the standard library.
fn compiler() -> Result<Command> {
    let library_of = |rustc| -> Result<PathBuf> {
        let folder = output(&mut program(rustc, &["--print", "sysroot"]))?;
        Ok(Path::new(folder.trim()).join("lib/rustlib"))
    };
    if library_of("rustc")?.join(TARGET).exists() {
        return Ok(cargo(&["test"]));
    }
    let debian = library_of(DEBIAN_RUSTC).is_ok_and(|library| library.join("src").exists());
    if !debian {
        return skip(format!(
            "no standard library for {TARGET}: rustup target add {TARGET}, or Debian's packages \
             rustc-web cargo-web rust-web-src"
        ));
    }
    let mut command = program(DEBIAN_CARGO, &["test", "-Zbuild-std=std,test,panic_abort"]);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("RUSTUP_") || text == "RUSTC_WRAPPER"
        {
            command.env_remove(&name);
        }
    }
    command
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}
