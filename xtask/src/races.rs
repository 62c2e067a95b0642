//! `cargo xtask races`: runs the scenarios with a binary built with the thread sanitizer, which
//! detects data races.
//!
//! The standard library is built with the sanitizer too, so that its synchronization is seen. This
//! requires a compiler with the library's source and the sanitizer's runtime, as rustup has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::e2e;
use crate::shell::{LONG, root, run as run_command};
use crate::toolchain::{self, PACKAGES, Toolchain};
use testkit::report::Report;
use testkit::skip::skip;

/// The environment variable with the path of the binary to test.
const BINARY: &str = "TCP_ECHO_E2E_BINARY";
/// Excluded scenarios: those that limit memory or time, which the sanitizer multiplies, and those that
/// run another binary.
const EXCLUDED: &[&str] = &[
    "memory of an idle server",
    "a thousand idle connections",
    "flood",
    "many targets, most of them dead",
    "more targets than descriptors",
    "reload and signal under full load",
    "signal after many targets were removed",
    "a thousand reloads",
    "start to first probe",
    "the first view of 1,000 targets",
    "CPU usage of the status page",
    "systemd: ",
    "package: ",
    "artifacts: ",
    "pictures of",
    "Windows: ",
];

/// Runs the scenarios whose names contain `word`, except the excluded.
pub(crate) fn run(word: &str) -> ExitCode {
    let mut report = Report::new();
    check(&mut report, word);
    report.finish()
}

fn check(report: &mut Report, word: &str) {
    let mut built = None;
    report.step("build with the thread sanitizer", || {
        let with_source = [Toolchain::Default, Toolchain::Debian].into_iter();
        let mut with_source = with_source.filter(|one| one.builds_library());
        let host = toolchain::host()?;
        let library = toolchain::sanitizer("tsan", &host);
        let (Some(toolchain), Some(library)) = (with_source.next(), library) else {
            return skip(format!(
                "requires rustup's compiler and the source of the standard library \
                (rustup component add rust-src, or {PACKAGES})"
            ));
        };
        built = Some(build(toolchain, &host, &library)?);
        Ok(())
    });
    let Some(built) = built else { return };
    let mut found = None;
    report.step("wrapper script", || {
        found = Some(wrap(&built)?);
        Ok(())
    });
    let Some((folder, binary)) = found else {
        return;
    };
    let mut command = e2e::test("e2e", &[word]);
    for name in EXCLUDED {
        command.args(["--skip", name]);
    }
    e2e::add(report, command.env(BINARY, binary));
    report.step("races", || check_reports(folder.path()));
}

fn build(toolchain: Toolchain, host: &str, library: &Path) -> Result<PathBuf> {
    let target = root().join("target/races");
    let flags = [
        "-Zsanitizer=thread",
        "-Zexternal-clangrt",
        "-Cforce-frame-pointers=yes",
        "-Cdebuginfo=line-tables-only",
    ];
    let mut command = toolchain.cargo();
    command
        .args(["rustc", "--locked", "-p", "tcp-echo-metrics"])
        .args(["--bin", "tcp-echo-metrics"])
        .args(["-Zbuild-std=std,panic_unwind", "--target", host])
        .arg("--target-dir")
        .arg(&target)
        // Before the C library, which resolves symbols of the runtime.
        .args(["--", "-Zpre-link-arg=-Wl,--whole-archive"])
        .arg(format!("-Zpre-link-arg={}", library.display()))
        .arg("-Zpre-link-arg=-Wl,--no-whole-archive")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags.join(" "))
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .current_dir(root());
    run_command(&mut command, LONG)?;
    Ok(target.join(host).join("debug/tcp-echo-metrics"))
}

/// Writes a script that runs the binary with a log path for race reports; returns the folder of the
/// reports and the script.
fn wrap(binary: &Path) -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::with_prefix("tcp-echo-races-")?;
    let script = folder.path().join("tcp-echo-metrics");
    let log = folder.path().join("race");
    // By default, the sanitizer sleeps for a second at exit.
    let options = format!("log_path={} atexit_sleep_ms=0", log.display());
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nTSAN_OPTIONS='{options}' exec {} \"$@\"\n",
            binary.display()
        ),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok((folder, script))
}

fn check_reports(folder: &Path) -> Result<()> {
    let mut races = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("race."))
        {
            races.push(fs::read_to_string(&path)?);
        }
    }
    if let Some(first) = races.first() {
        println!("{first}");
    }
    ensure!(races.is_empty(), "{} processes reported races", races.len());
    Ok(())
}
