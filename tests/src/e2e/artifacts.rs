//! What `cargo xtask dist` has made, run where it is for.

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
        name: "artifacts: sums, and the static binary",
        tools: &[("readelf", "binutils")],
        run: here,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: aarch64, played by qemu",
        tools: &[
            ("qemu-aarch64-static", "qemu-user-static"),
            ("readelf", "binutils"),
        ],
        run: elsewhere,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: the image, as a container runs it",
        tools: &[("skopeo", "skopeo"), ("chroot", "coreutils")],
        root: true,
        run: image::as_a_container_runs_it,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: Windows, played by wine",
        tools: &[("bsdtar", "libarchive-tools")],
        run: windows,
        ..PLAIN
    },
    Scenario {
        name: "artifacts: packages hold what archives hold",
        tools: &[("bsdtar", "libarchive-tools"), ("dpkg-deb", "dpkg")],
        run: packages::same_binaries,
        ..PLAIN
    },
];

const COUNT: u64 = 50;
const START: Duration = Duration::from_secs(10);
const AT_REST_KIB: u64 = 8 * 1024;
/// Where `cargo xtask dist` puts artifacts, below cargo's folder.
const WHOLE: &str = "dist";
/// Where `cargo xtask ci` puts those that it makes.
const BRIEF: &str = "dist-brief";

fn here(context: &Context) -> Result<()> {
    let sums = made("SHA256SUMS")?;
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
    is_static_and_movable(&binary)?;
    takes_little(context, &binary)?;
    probes_itself(context, Command::new(binary), "x86_64")
}

fn elsewhere(context: &Context) -> Result<()> {
    let unpacked = unpack(context, "linux-aarch64.tar.gz")?;
    let binary = unpacked.join("tcp-echo-metrics");
    is_static_and_movable(&binary)?;
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

/// A server at rest is small, with all that is in memory of its file.
fn takes_little(context: &Context, binary: &Path) -> Result<()> {
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
    context.note(format!("a server at rest: {memory} KiB"));
    ensure!(memory <= AT_REST_KIB, "a server at rest: {memory} KiB");
    Ok(())
}

/// It needs no library and no loader, and the system puts it at another address each time.
fn is_static_and_movable(binary: &Path) -> Result<()> {
    let options = ["--file-header", "--program-headers", "--wide"];
    let headers = output(program("readelf", &options).arg(binary))?;
    ensure!(!headers.contains("INTERP"), "it wants a loader: {headers}");
    let kind = headers
        .lines()
        .find_map(|line| line.trim().strip_prefix("Type:"));
    let kind = kind.context("readelf names no type")?;
    ensure!(
        kind.trim_start().starts_with("DYN"),
        "it is always at the same address: {kind}"
    );
    Ok(())
}

/// Has the program serve and probe itself, and report.
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
        .context("a report without replies")?;
    context.note(format!("{what}: {received} of {COUNT} probes answered"));
    // Under an emulator, on a busy machine, some slots are overrun.
    ensure!(received * 2 >= COUNT, "{what}: {target}");
    Ok(())
}

/// The newest of the files whose names end so that have been made here.
pub(super) fn made(ending: &str) -> Result<PathBuf> {
    match newest(&folders(), ending) {
        Some(file) => Ok(file),
        None => skip(format!(
            "nothing like *{ending} has been made: cargo xtask dist"
        )),
    }
}

/// The folders of artifacts.
fn folders() -> [PathBuf; 2] {
    [WHOLE, BRIEF].map(|name| target_dir().join(name))
}

/// The newest of the files in these folders whose names end so.
fn newest(folders: &[PathBuf], ending: &str) -> Option<PathBuf> {
    let files = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(ending));
    let newest = files.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    Some(newest?.path())
}

/// The one folder in the newest of the archives whose names end so.
fn unpack(context: &Context, ending: &str) -> Result<PathBuf> {
    open(context, &made(ending)?)
}

/// The one folder in an archive.
fn open(context: &Context, archive: &Path) -> Result<PathBuf> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let (tar, name) = match name.strip_suffix(".zip") {
        Some(name) => ("bsdtar", name),
        None => ("tar", name.trim_end_matches(".tar.gz")),
    };
    let mut tar = program(tar, &["-xf"]);
    output(tar.arg(archive).arg("-C").arg(context.folder()))?;
    Ok(context.folder().join(name))
}
