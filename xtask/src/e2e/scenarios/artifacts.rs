//! What `cargo xtask dist` has made, run where it is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::dist;
use crate::e2e::harness::context::Context;
use crate::e2e::harness::ports;
use crate::e2e::runner::{PLAIN, Scenario};
use crate::report::skip;
use crate::shell::{output, program};

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
        run: image,
        ..PLAIN
    },
];

const COUNT: u64 = 50;
/// Whom the image runs as: nobody whom a host knows.
const USER: &str = "65532:65532";

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

/// With nothing in its file system but the image's own, as nobody.
fn image(context: &Context) -> Result<()> {
    let archive = made("-image.tar")?;
    let whole = !archive.starts_with(dist::folder(dist::BRIEF));
    let architectures: &[&str] = if whole {
        &["amd64", "arm64"]
    } else {
        &["amd64"]
    };
    for &architecture in architectures {
        let copy = context.folder().join(architecture);
        let mut skopeo = program(
            "skopeo",
            &["copy", "--quiet", "--override-arch", architecture],
        );
        skopeo
            .arg(format!("oci-archive:{}", archive.display()))
            .arg(format!("dir:{}", copy.display()));
        output(&mut skopeo)?;
        let manifest = json(&copy.join("manifest.json"))?;
        let blob = |descriptor: &Value| -> Result<PathBuf> {
            let digest = descriptor["digest"].as_str().context("no digest")?;
            Ok(copy.join(digest.trim_start_matches("sha256:")))
        };
        let config = json(&blob(&manifest["config"])?)?;
        ensure!(config["architecture"] == architecture, "{config}");
        ensure!(config["config"]["User"] == USER, "{config}");
        if architecture != "amd64" {
            continue;
        }
        let system = context.folder().join("system");
        fs::create_dir(&system)?;
        for layer in manifest["layers"].as_array().context("no layers")? {
            let mut tar = program("tar", &["-xzf"]);
            output(tar.arg(blob(layer)?).arg("-C").arg(&system))?;
        }
        let entry = config["config"]["Entrypoint"][0].as_str();
        let mut command = Command::new("chroot");
        command
            .arg(format!("--userspec={USER}"))
            .arg(&system)
            .arg(entry.context("no entry point")?);
        // Others than root have to come to the folder.
        output(program("chmod", &["a+rx"]).arg(context.folder()))?;
        probes_itself(context, command, "the image")?;
    }
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

fn json(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// The newest of the files whose names end so that have been made here.
pub(super) fn made(ending: &str) -> Result<PathBuf> {
    let folders = [dist::WHOLE, dist::BRIEF].map(dist::folder);
    let files = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(ending));
    let newest = files.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    match newest {
        Some(file) => Ok(file.path()),
        None => skip(format!(
            "nothing like *{ending} has been made: cargo xtask dist"
        )),
    }
}

/// The one folder in an archive.
fn unpack(context: &Context, ending: &str) -> Result<PathBuf> {
    let archive = made(ending)?;
    output(
        program("tar", &["-xzf"])
            .arg(&archive)
            .arg("-C")
            .arg(context.folder()),
    )?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    Ok(context.folder().join(name.trim_end_matches(".tar.gz")))
}
