//! Builds the binary for a target: small and reproducible.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::release::{PACKAGE, Release};
use super::target::{System, Target};
use crate::shell::{LONG, has, root, run, target_dir};
use crate::toolchain::{MINGW, Toolchain};
use crate::tools::{self, ZIG};
use testkit::registry;
use testkit::skip::skip;

/// Cargo's profile of the release: the fastest code, however long it takes to build.
pub(super) const PROFILE: &str = "dist";

/// The maximum size of a binary: 8 MB.
pub(super) const MAX_BYTES: u64 = 8_000_000;
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
        .args(toolchain.arguments())
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
    let binary = path(release, target);
    let bytes = fs::metadata(&binary)?.len();
    ensure!(
        bytes <= MAX_BYTES,
        "the binary for {} has {bytes} bytes, the maximum is {MAX_BYTES}",
        target.name()
    );
    Ok(binary)
}

/// Returns a clippy command for the target that treats warnings as errors.
pub(super) fn clippy(target: Target) -> Result<Command> {
    let triple = target.triple;
    let toolchain = Toolchain::of(triple)?;
    let Some(driver) = toolchain.clippy() else {
        return skip(
            "no clippy; run rustup component add clippy, or install the Debian package rust-web-clippy",
        );
    };
    let mut command = cargo_for(target, toolchain, "check")?;
    // As in `cargo clippy`, which would use the first clippy in PATH.
    command
        .args(["--target", triple])
        .args(toolchain.test_arguments())
        .env("RUSTC_WORKSPACE_WRAPPER", driver)
        .env("CARGO_ENCODED_RUSTFLAGS", LINTS.join("\x1f"))
        .env_remove("RUSTFLAGS");
    Ok(command)
}

/// Returns cargo's output folder for the target.
pub(super) fn folder(release: &Release, target: Target) -> PathBuf {
    release.work.join(target.triple).join(PROFILE)
}

/// Returns the path of the built binary.
pub(super) fn path(release: &Release, target: Target) -> PathBuf {
    folder(release, target).join(target.program(PACKAGE))
}

/// Returns a cargo command with compilers and a linker for the target; `verb` is `build` or `check`.
pub(super) fn cargo_for(target: Target, toolchain: Toolchain, verb: &str) -> Result<Command> {
    let usual = || {
        let mut command = toolchain.cargo();
        command.arg(verb);
        command
    };
    let mut command = match target.system {
        System::Windows if !has(MINGW) => {
            return skip(format!(
                "the linker {MINGW} is missing (Debian package gcc-mingw-w64-x86-64-win32)"
            ));
        }
        System::Windows => {
            let mut command = usual();
            command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW);
            command
        }
        // On a Mac, its native tools.
        System::MacOs if !is_foreign_mac(target) => usual(),
        System::Linux | System::MacOs => {
            let verb = if verb == "build" { "zigbuild" } else { verb };
            let mut command = tools::command(&format!("cargo-zigbuild {verb}"))?;
            let zig = registry::python(ZIG)?.join("ziglang/zig");
            let cache = target_dir().join("tools/zig-cache");
            command
                .env("CARGO_ZIGBUILD_ZIG_PATH", zig)
                .env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("cargo-zigbuild"))
                .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"))
                .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig"));
            toolchain.set_environment(&mut command);
            command
        }
    };
    command.current_dir(root());
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
