//! The binary for one target, small, and the same wherever it is built.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::frameworks;
use super::release::{PACKAGE, Release};
use super::target::{System, Target};
use super::tools::zigbuild;
use crate::shell::{LONG, has, root, run};
use crate::toolchain::{MINGW, Toolchain};
use testkit::skip::skip;

/// Cargo's profile of what is released: the fastest code, however long it takes to build.
pub(super) const PROFILE: &str = "dist";

/// The most that a binary may have: 8 MB.
pub(super) const MOST_BYTES: u64 = 8_000_000;
const LINTS: [&str; 2] = [
    "-Dwarnings",
    // With mingw, what is const already is taken for what could be.
    "-Aclippy::missing_const_for_thread_local",
];

/// Builds it and gives its path.
pub(super) fn build(release: &Release, target: Target) -> Result<PathBuf> {
    let triple = target.triple();
    let toolchain = Toolchain::of(triple)?;
    let mut command = cargo_for(target, toolchain, "build")?;
    if is_foreign_mac(target) {
        frameworks::write(&frameworks_of(release))?;
        // The linker signs the binary: it can't be changed afterwards.
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
        bytes <= MOST_BYTES,
        "the binary for {} has {bytes} bytes, more than the {MOST_BYTES} that it may have",
        target.name()
    );
    Ok(binary)
}

/// Clippy for the target, to which a warning is an error, to be told of what.
pub(super) fn clippy(target: Target) -> Result<Command> {
    let triple = target.triple();
    let toolchain = Toolchain::of(triple)?;
    let Some(driver) = toolchain.clippy() else {
        return skip("no clippy: rustup component add clippy, or Debian's package rust-web-clippy");
    };
    let mut command = cargo_for(target, toolchain, "check")?;
    // As `cargo clippy` does it; that one takes whichever clippy it finds first.
    command
        .args(["--target", triple])
        .args(toolchain.test_arguments())
        .env("RUSTC_WORKSPACE_WRAPPER", driver)
        .env("CARGO_ENCODED_RUSTFLAGS", LINTS.join("\x1f"))
        .env_remove("RUSTFLAGS");
    Ok(command)
}

/// Where cargo puts what it builds for the target.
pub(super) fn folder(release: &Release, target: Target) -> PathBuf {
    release.work.join(target.triple()).join(PROFILE)
}

/// Where it is when it has been built.
pub(super) fn path(release: &Release, target: Target) -> PathBuf {
    let name = format!("{PACKAGE}{}", target.exe());
    folder(release, target).join(name)
}

/// Cargo with compilers and a linker for the target, and what it is to do: `build` or
/// `check`.
pub(super) fn cargo_for(target: Target, toolchain: Toolchain, verb: &str) -> Result<Command> {
    let usual = || {
        let mut command = toolchain.cargo();
        command.arg(verb);
        command
    };
    let mut command = match target.system {
        System::Windows if !has(MINGW) => {
            return skip(format!(
                "no {MINGW}, the linker; Debian's package: gcc-mingw-w64-x86-64-win32"
            ));
        }
        System::Windows => {
            let mut command = usual();
            command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", MINGW);
            command
        }
        // On a Mac, its own tools.
        System::MacOs if !is_foreign_mac(target) => usual(),
        System::Linux | System::MacOs => {
            let mut command = zigbuild()?;
            command.arg(if verb == "build" { "zigbuild" } else { verb });
            toolchain.equip(&mut command);
            command
        }
    };
    command.current_dir(root());
    Ok(command)
}

/// No path of this machine is to get into the binary, by a panic's message for example.
fn flags(release: &Release, target: Target, toolchain: Toolchain) -> Vec<String> {
    let mut flags = Vec::new();
    let mut remap = |from: &Path, to: &str| {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    };
    // Where several match, the last one is taken.
    remap(&root(), ".");
    remap(&release.work, "target");
    remap(&cargo_home().join("registry/src"), "registry");
    remap(&toolchain.source(), "rust");
    if target.system == System::Linux {
        if toolchain == Toolchain::Debian {
            // rustup's library comes with a C library; here it is zig's.
            flags.push("-Clink-self-contained=no".to_owned());
        }
        // At another address each time it is run. zig overlooks -static-pie, which the
        // compiler says; with this C library -pie is as static.
        flags.push("-Clink-arg=-pie".to_owned());
    }
    if target.system == System::Windows {
        // The linker would write down when it was called.
        flags.push("-Clink-arg=-Wl,--no-insert-timestamp".to_owned());
    }
    if is_foreign_mac(target) {
        let folder = frameworks_of(release);
        flags.push(format!("-Lframework={}", folder.display()));
        // Neither what debuggers read nor the names of what is not exported.
        flags.push("-Clink-arg=-Wl,-s".to_owned());
        flags.push("-Clink-arg=-Wl,-x".to_owned());
    }
    flags
}

fn is_foreign_mac(target: Target) -> bool {
    target.system == System::MacOs && !cfg!(target_os = "macos")
}

fn frameworks_of(release: &Release) -> PathBuf {
    release.work.join("frameworks")
}

fn cargo_home() -> PathBuf {
    let home = env::home_dir().unwrap_or_default();
    env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from)
}
