//! `cargo xtask races`: runs the scenarios with a binary built with the thread sanitizer, which
//! detects data races.
//!
//! The standard library is built with the sanitizer too, so that its synchronization is seen. This
//! requires a compiler with the library's source and the sanitizer's runtime, as rustup has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

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
pub(crate) fn run(report: &mut Report, word: &str) {
    if let Some(binary) = report.step("build with the thread sanitizer", build) {
        let mut command = e2e::test("e2e", &[word]);
        for name in EXCLUDED {
            command.args(["--skip", name]);
        }
        let reports = folder().join("reports");
        // By default, the sanitizer sleeps for a second at exit.
        let options = format!("log_path={}/race atexit_sleep_ms=0", reports.display());
        command.env(BINARY, binary).env("TSAN_OPTIONS", options);
        e2e::add(report, &mut command);
        report.step("races", || check(&reports));
    }
}

fn folder() -> PathBuf {
    root().join("target/races")
}

/// Builds the binary, and empties the folder of reports.
fn build() -> Result<PathBuf> {
    let host = toolchain::host()?;
    let toolchains = [Toolchain::Default, Toolchain::Debian];
    let (Some(toolchain), Some(library)) = (
        toolchains.into_iter().find(|one| one.builds_library()),
        toolchain::sanitizer("tsan", &host),
    ) else {
        return skip(format!(
            "requires rustup's compiler and the source of the standard library \
             (rustup component add rust-src, or {PACKAGES})"
        ));
    };
    let reports = folder().join("reports");
    if reports.exists() {
        fs::remove_dir_all(&reports)?;
    }
    fs::create_dir_all(&reports)?;
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
        .args(["-Zbuild-std=std,panic_unwind", "--target", &host])
        .arg("--target-dir")
        .arg(folder())
        // Before the C library, which resolves symbols of the runtime.
        .args(["--", "-Zpre-link-arg=-Wl,--whole-archive"])
        .arg(format!("-Zpre-link-arg={}", library.display()))
        .arg("-Zpre-link-arg=-Wl,--no-whole-archive")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags.join(" "))
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .current_dir(root());
    run_command(&mut command, LONG)?;
    Ok(folder().join(host).join("debug/tcp-echo-metrics"))
}

fn check(reports: &Path) -> Result<()> {
    let mut files = fs::read_dir(reports)?;
    if let Some(first) = files.next() {
        println!("{}", fs::read_to_string(first?.path())?);
        bail!("{} processes reported races", files.count() + 1);
    }
    Ok(())
}
