//! Builds the binary for a target: small and reproducible.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::release::{PACKAGE, Release};
use super::target::{MACOS, System, Target, WINDOWS};
use crate::shell::{LONG, has, root, run, target_dir};
use crate::toolchain::Toolchain;
use crate::tools::{self, ZIG};
use testkit::registry;
use testkit::skip::skip;

/// Cargo's profile of the release: the fastest code, however long it takes to build.
pub(super) const PROFILE: &str = "dist";

/// The maximum size of a binary: 8 MB.
pub(super) const MAX_BYTES: u64 = 8_000_000;

/// The crates of the standard library that the program needs.
const LIBRARY: &str = "std,panic_abort";

/// Compiles C and links for Windows.
const MINGW: &str = "x86_64-w64-mingw32-gcc";

const LINTS: [&str; 2] = [
    "-Dwarnings",
    // A false positive with MinGW: the value is const already.
    "-Aclippy::missing_const_for_thread_local",
];

/// Builds the binary; returns its path.
pub(super) fn build(release: &Release, target: Target) -> Result<PathBuf> {
    let triple = target.triple;
    let toolchain = Toolchain::of(triple)?;
    let mut command = cargo_for(target, toolchain, "build")?;
    if is_foreign_mac(target) {
        // The linker signs the binary, which must not be changed afterwards.
        command.env("CARGO_PROFILE_DIST_STRIP", "none");
    }
    command
        .args(["--profile", PROFILE, "--locked", "-p", PACKAGE])
        .args(["--target", triple])
        .args(toolchain.with_library(LIBRARY))
        .env("CARGO_TARGET_DIR", &release.work)
        .env("CARGO_INCREMENTAL", "0")
        .env(
            "SOURCE_DATE_EPOCH",
            release.time.unix_timestamp().to_string(),
        )
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags(release, target, toolchain).join("\x1f"),
        )
        .env_remove("RUSTFLAGS");
    run(&mut command, LONG)?;
    let binary = folder(release, target).join(target.program(PACKAGE));
    let bytes = fs::metadata(&binary)?.len();
    ensure!(
        bytes <= MAX_BYTES,
        "the binary for {} has {bytes} bytes, the maximum is {MAX_BYTES}",
        target.name()
    );
    Ok(binary)
}

/// Builds the binary for Windows, without optimization, in this folder; returns its path.
pub(crate) fn for_windows(folder: &Path) -> Result<PathBuf> {
    let toolchain = Toolchain::of(WINDOWS.triple)?;
    let mut command = cargo_for(WINDOWS, toolchain, "build")?;
    command
        .args(["--locked", "-p", PACKAGE, "--target", WINDOWS.triple])
        .args(toolchain.with_library(LIBRARY))
        .env("CARGO_TARGET_DIR", folder);
    run(&mut command, LONG)?;
    let name = WINDOWS.program(PACKAGE);
    Ok(folder.join(WINDOWS.triple).join("debug").join(name))
}

/// Runs clippy for Windows and macOS, whose conditional code is not checked on Linux. The code does not
/// depend on the architecture.
pub(crate) fn clippy_for_other_systems() -> Result<()> {
    for target in [WINDOWS, MACOS[0]] {
        let toolchain = Toolchain::of(target.triple)?;
        let Some(driver) = toolchain.clippy() else {
            return skip(
                "no clippy; run rustup component add clippy, or install the Debian package rust-web-clippy",
            );
        };
        let mut command = cargo_for(target, toolchain, "check")?;
        command
            .args(["--locked", "--workspace", "--all-targets"])
            .args(["--quiet", "--keep-going", "--target", target.triple])
            .args(toolchain.with_library("std,test,panic_abort"))
            // As in `cargo clippy`, which would use the first clippy in PATH.
            .env("RUSTC_WORKSPACE_WRAPPER", driver)
            .env("CARGO_ENCODED_RUSTFLAGS", LINTS.join("\x1f"))
            .env("CARGO_TARGET_DIR", target_dir().join("other-systems"))
            .env_remove("RUSTFLAGS");
        run(&mut command, LONG)?;
    }
    Ok(())
}

/// Returns cargo's output folder for the target.
pub(super) fn folder(release: &Release, target: Target) -> PathBuf {
    release.work.join(target.triple).join(PROFILE)
}

/// Returns a cargo command with compilers and a linker for the target; `verb` is `build` or `check`.
fn cargo_for(target: Target, toolchain: Toolchain, verb: &str) -> Result<Command> {
    if target.system == System::Windows && !has(MINGW) {
        return skip(format!(
            "the linker {MINGW} is missing (Debian package gcc-mingw-w64-x86-64-win32)"
        ));
    }
    let mut command = if target.system == System::Linux || is_foreign_mac(target) {
        let verb = if verb == "build" { "zigbuild" } else { verb };
        let mut command = tools::command(&format!("cargo-zigbuild {verb}"))?;
        let zig = registry::python(ZIG)?.join("ziglang/zig");
        command.env("CARGO_ZIGBUILD_ZIG_PATH", zig);
        toolchain.set_environment(&mut command);
        command
    } else {
        // On a Mac, its native tools.
        let mut command = toolchain.cargo();
        command.arg(verb);
        command
    };
    command
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW)
        .current_dir(root());
    Ok(command)
}

/// Returns flags for a reproducible binary, without paths of this machine, for example in panic messages.
fn flags(release: &Release, target: Target, toolchain: Toolchain) -> Vec<String> {
    let mut flags = Vec::new();
    let mut remap = |from: &Path, to: &str| {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    };
    // If several match, the last one applies.
    remap(&root(), ".");
    remap(&release.work, "target");
    remap(&cargo_home().join("registry/src"), "registry");
    remap(&toolchain.source(), "rust");
    if target.system == System::Linux {
        if toolchain == Toolchain::Debian {
            // rustup's library includes a C library; zig's is used instead.
            flags.push("-Clink-self-contained=no".to_owned());
        }
        // Position-independent. zig ignores -static-pie, which rustc passes; with this C
        // library, -pie is also static.
        flags.push("-Clink-arg=-pie".to_owned());
    }
    if target.system == System::Windows {
        // Without this, the linker writes a timestamp.
        flags.push("-Clink-arg=-Wl,--no-insert-timestamp".to_owned());
    }
    if is_foreign_mac(target) {
        let folder = root().join("xtask/frameworks");
        flags.push(format!("-Lframework={}", folder.display()));
        // Neither debug information nor the names of local symbols.
        flags.push("-Clink-arg=-Wl,-s".to_owned());
        flags.push("-Clink-arg=-Wl,-x".to_owned());
    }
    flags
}

fn is_foreign_mac(target: Target) -> bool {
    target.system == System::MacOs && !cfg!(target_os = "macos")
}

fn cargo_home() -> PathBuf {
    let home = env::home_dir().unwrap_or_default();
    env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from)
}
