//! The Debian package: install, configure, upgrade, remove and purge.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::machine::Machine;
use testkit::shell::{output, program};

use super::{
    CONFIG, UNIT, configure, is_enabled, nothing_changed, package, probing, removed, running_pid,
};

/// The paths of the packages in the container.
const FIRST: &str = "/root/first.deb";
const SECOND: &str = "/root/second.deb";
/// A version higher than that of the package under test.
const NEXT: &str = "999.0.0-1";

pub(super) fn run(context: &Context) -> Result<()> {
    let package = package(context, "_amd64.deb")?;
    let second = with_version(context, &package, NEXT)?;
    let machine = Machine::boot(context)?;
    machine.put(&package, FIRST)?;
    machine.put(&second, SECOND)?;
    let before = machine.files()?;

    machine.run("dpkg", &["--install", FIRST])?;
    ensure!(
        machine.run("dpkg", &["--verify", UNIT])?.is_empty(),
        "files are not as packaged"
    );
    ensure!(is_enabled(&machine)? == "enabled", "not enabled");
    let first = running_pid(&machine)?;
    machine
        .scrape(2112)?
        .get("tcp_echo_server_connections", &[])?;

    configure(&machine)?;
    machine.run("systemctl", &["restart", UNIT])?;
    probing(&machine)?;
    let configured = running_pid(&machine)?;
    ensure!(configured != first, "not restarted");

    machine.run("dpkg", &["--install", SECOND])?;
    let version = machine.run("dpkg-query", &["--show", "--showformat=${Version}", UNIT])?;
    ensure!(version == NEXT, "the version is {version}");
    ensure!(
        running_pid(&machine)? != configured,
        "not restarted by the upgrade"
    );
    probing(&machine)?;

    // An upgrade does not enable a disabled service.
    machine.run("systemctl", &["disable", "--now", UNIT])?;
    machine.run("dpkg", &["--install", FIRST])?;
    ensure!(is_enabled(&machine)? == "disabled", "enabled by an upgrade");
    ensure!(machine.main_pid(UNIT)? == 0, "started by an upgrade");
    machine.run("systemctl", &["enable", "--now", UNIT])?;
    probing(&machine)?;

    machine.run("dpkg", &["--remove", UNIT])?;
    removed(&machine, CONFIG)?;

    // After a new installation, the old configuration is in effect.
    machine.run("dpkg", &["--install", FIRST])?;
    ensure!(is_enabled(&machine)? == "enabled", "not enabled again");
    probing(&machine)?;
    machine.run("dpkg", &["--purge", UNIT])?;
    nothing_changed(&machine, &before, is_kept_by_dpkg)
}

/// Creates a copy of the package with another version.
fn with_version(context: &Context, package: &Path, version: &str) -> Result<PathBuf> {
    let folder = context.folder().join("second");
    output(
        program("dpkg-deb", &["--raw-extract"])
            .arg(package)
            .arg(&folder),
    )?;
    let control = folder.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let old = text.lines().find(|line| line.starts_with("Version:"));
    let old = old.context("no version in the package")?;
    fs::write(&control, text.replace(old, &format!("Version: {version}")))?;
    let second = context.folder().join("second.deb");
    output(
        program("dpkg-deb", &["--build", "-Zgzip", "-z1"])
            .arg(&folder)
            .arg(&second),
    )?;
    Ok(second)
}

/// Returns whether dpkg or its helpers keep the file after removing any package.
fn is_kept_by_dpkg(path: &str) -> bool {
    path.starts_with("/var/lib/dpkg/") && path.ends_with("-old")
        || path == "/var/lib/systemd/deb-systemd-helper-enabled"
}
