//! Runs the artifacts of `cargo xtask dist` on their platforms.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::context::Context;
use testkit::process::Process;
use testkit::shell::{output, program, target_dir};
use testkit::skip::skip;
use testkit::wine::Wine;
use testkit::{ports, wait};

use crate::runner::{PLAIN, Scenario};

mod image;
mod packages;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "artifacts: checksums and the static binary",
        tools: &[("readelf", "binutils")],
        run: x86_64,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: aarch64 under qemu",
        tools: &[
            ("qemu-aarch64-static", "qemu-user-static"),
            ("readelf", "binutils"),
        ],
        run: aarch64,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: the container image",
        tools: &[("skopeo", "skopeo"), ("chroot", "coreutils")],
        root: true,
        run: image::run_in_chroot,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: Windows under wine",
        tools: &[("bsdtar", "libarchive-tools")],
        run: windows,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: packages and archives have the same binaries",
        tools: &[("bsdtar", "libarchive-tools"), ("dpkg-deb", "dpkg")],
        run: packages::same_binaries,
        ..PLAIN
    },
];

const COUNT: u64 = 50;
const START: Duration = Duration::from_secs(10);
const MAX_IDLE_KIB: u64 = 8 * 1024;
/// The folder of `cargo xtask dist` in cargo's target folder.
const DIST: &str = "dist";
/// The folder of the artifacts built by `cargo xtask ci`.
const CI_DIST: &str = "dist-brief";

fn x86_64(context: &Context) -> Result<()> {
    let sums = artifact("SHA256SUMS")?;
    let mut check = program("sha256sum", &["--check", "--quiet", "--strict"]);
    output(check.arg(&sums).current_dir(sums.with_file_name("")))?;
    let unpacked = unpack(context, "linux-x86_64.tar.gz")?;
    for file in [
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "man/tcp-echo-metrics.1",
        "completions/_tcp-echo-metrics",
    ] {
        ensure!(unpacked.join(file).is_file(), "no {file} in the archive");
    }
    let binary = unpacked.join("tcp-echo-metrics");
    is_static_pie(&binary)?;
    idle_memory(context, &binary)?;
    probes_itself(context, Command::new(binary), "x86_64")
}

fn aarch64(context: &Context) -> Result<()> {
    let unpacked = unpack(context, "linux-aarch64.tar.gz")?;
    let binary = unpacked.join("tcp-echo-metrics");
    is_static_pie(&binary)?;
    let mut command = Command::new("qemu-aarch64-static");
    command.arg(binary);
    probes_itself(context, command, "aarch64 by qemu")
}

fn windows(context: &Context) -> Result<()> {
    let unpacked = unpack(context, "windows-x86_64.zip")?;
    let prefix = context.folder().join("wine");
    let wine = Wine::new(prefix, &unpacked.join("tcp-echo-metrics.exe"))?;
    probes_itself(context, wine.program(), "Windows by wine")
}

/// Checks the resident memory of an idle server.
fn idle_memory(context: &Context, binary: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    command.args([
        "-mode=server",
        "-listen=127.0.0.1:0",
        "-metrics=127.0.0.1:0",
    ]);
    let server = Process::spawn(context, "static", &mut command)?;
    wait::until("a server", START, || {
        server
            .log()
            .contains("metrics endpoint listens")
            .then_some(())
    })?;
    thread::sleep(Duration::from_secs(1));
    let memory = server.memory_kib("VmRSS")?;
    context.note(format!("idle server: {memory} KiB"));
    ensure!(memory <= MAX_IDLE_KIB, "idle server: {memory} KiB");
    Ok(())
}

/// Checks that the binary is static and position-independent.
fn is_static_pie(binary: &Path) -> Result<()> {
    let options = ["--file-header", "--program-headers", "--wide"];
    let headers = output(program("readelf", &options).arg(binary))?;
    ensure!(
        !headers.contains("INTERP"),
        "it has an interpreter: {headers}"
    );
    let kind = headers
        .lines()
        .find_map(|line| line.trim().strip_prefix("Type:"));
    let kind = kind.context("no type in the output of readelf")?;
    ensure!(
        kind.trim_start().starts_with("DYN"),
        "not position-independent: {kind}"
    );
    Ok(())
}

/// Runs the program in mode both with itself as the target, and checks its report.
fn probes_itself(context: &Context, mut command: Command, what: &str) -> Result<()> {
    let address = ports::free()?;
    command
        .args(["-mode=both", "-interval=10ms", "-output=json"])
        .arg(format!("-listen={address}"))
        .arg(format!("-target={address}"))
        .arg(format!("-count={COUNT}"));
    let report: Value = serde_json::from_str(&output(&mut command)?)?;
    let target = &report["targets"][0];
    let received = target["received"]
        .as_u64()
        .context("no received count in the report")?;
    context.note(format!("{what}: {received} of {COUNT} probes answered"));
    // Some slots may be overrun in an emulator on a busy machine.
    ensure!(received * 2 >= COUNT, "{what}: {target}");
    Ok(())
}

/// Returns the newest artifact whose name ends with `ending`; a skip if there is none.
pub(super) fn artifact(ending: &str) -> Result<PathBuf> {
    match newest(&folders(), ending) {
        Some(file) => Ok(file),
        None => skip(format!("no artifact *{ending}; run cargo xtask dist")),
    }
}

/// Returns the folders of artifacts.
fn folders() -> [PathBuf; 2] {
    [DIST, CI_DIST].map(|name| target_dir().join(name))
}

/// Returns the newest file in `folders` whose name ends with `ending`.
fn newest(folders: &[PathBuf], ending: &str) -> Option<PathBuf> {
    let files = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(ending));
    let newest = files.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    Some(newest?.path())
}

/// Unpacks the newest archive whose name ends with `ending`; returns the top-level folder.
fn unpack(context: &Context, ending: &str) -> Result<PathBuf> {
    unpack_archive(context, &artifact(ending)?)
}

/// Unpacks an archive; returns its top-level folder.
fn unpack_archive(context: &Context, archive: &Path) -> Result<PathBuf> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let (tar, name) = match name.strip_suffix(".zip") {
        Some(name) => ("bsdtar", name),
        None => ("tar", name.trim_end_matches(".tar.gz")),
    };
    let mut tar = program(tar, &["-xf"]);
    output(tar.arg(archive).arg("-C").arg(context.folder()))?;
    Ok(context.folder().join(name))
}
