//! Debian and RPM packages, built with cargo-deb and cargo-generate-rpm from the metadata in the
//! binary's Cargo.toml.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::build::PROFILE;
use super::release::{PACKAGE, Release};
use super::target::Target;
use crate::shell::{SHORT, run};
use crate::tools;

pub(super) fn deb(release: &Release, target: Target, file: &Path) -> Result<()> {
    let mut command = tools::command("cargo-deb")?;
    command
        .args(["--no-build", "--no-strip", "--locked", "--quiet"])
        .args(["--package", PACKAGE, "--target", target.triple])
        .args(["--profile", PROFILE])
        .arg("--output")
        .arg(file);
    run(environment(&mut command, release), SHORT)
}

pub(super) fn rpm(release: &Release, target: Target, file: &Path) -> Result<()> {
    let mut command = tools::command("cargo-generate-rpm")?;
    command
        .args(["--package", "crates/tcp-echo-metrics"])
        .args(["--profile", PROFILE])
        .args(["--target", target.triple, "--arch", target.machine.name()])
        // The binary is static and has no dependencies to detect.
        .args(["--auto-req", "disabled"])
        .arg("--target-dir")
        .arg(&release.work)
        .arg("--output")
        .arg(file);
    run(environment(&mut command, release), SHORT)
}

fn environment<'a>(command: &'a mut Command, release: &Release) -> &'a mut Command {
    command.env("CARGO_TARGET_DIR", &release.work).env(
        "SOURCE_DATE_EPOCH",
        release.time.unix_timestamp().to_string(),
    )
}
