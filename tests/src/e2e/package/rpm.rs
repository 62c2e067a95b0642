//! The RPM package: install, configure, reinstall and erase. Only the changed configuration is
//! left.
//!
//! It runs on Debian, with Debian's rpm and presets like those of Fedora.

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::machine::Machine;

use super::{
    CONFIG, UNIT, configure, is_enabled, nothing_changed, package, probing, removed, running_pid,
};

/// The path of the package in the container.
const PACKAGE: &str = "/root/package.rpm";
/// The file in which rpm keeps a changed configuration.
const SAVED: &str = "/etc/default/tcp-echo-metrics.rpmsave";
const DATABASE: &str = "/var/lib/rpm";
/// Folders that exist on RPM-based systems because other packages created them.
const EXISTING_FOLDERS: [&str; 3] = [
    "/usr/share/fish/vendor_completions.d",
    "/usr/share/licenses",
    "/usr/share/zsh/site-functions",
];

pub(super) fn run(context: &Context) -> Result<()> {
    let package = package(context, ".x86_64.rpm")?;
    let machine = Machine::boot_with(context, &["rpm"])?;
    machine.put(&package, PACKAGE)?;
    // As on RPM-based systems, the preset enables no services.
    let preset = "mkdir -p /etc/systemd/system-preset
                  echo 'disable *' > /etc/systemd/system-preset/99-default.preset";
    machine.run("sh", &["-c", preset])?;
    machine.run("mkdir", &[&["--parents"], &EXISTING_FOLDERS[..]].concat())?;
    let before = machine.files()?;

    modify(&machine, &["--install", PACKAGE])?;
    ensure!(
        rpm(&machine, &["--verify", "--nodeps", UNIT])?.is_empty(),
        "files are not as packaged"
    );
    ensure!(
        is_enabled(&machine)? == "disabled",
        "enabled by the installation"
    );
    ensure!(machine.main_pid(UNIT)? == 0, "started by the installation");

    configure(&machine)?;
    machine.run("systemctl", &["enable", "--now", UNIT])?;
    probing(&machine)?;
    let configured = running_pid(&machine)?;

    reinstall(&machine)?;
    ensure!(
        running_pid(&machine)? != configured,
        "not restarted by the upgrade"
    );
    ensure!(is_enabled(&machine)? == "enabled", "disabled by an upgrade");
    probing(&machine)?;

    // An upgrade does not start a stopped service.
    machine.run("systemctl", &["stop", UNIT])?;
    reinstall(&machine)?;
    ensure!(machine.main_pid(UNIT)? == 0, "started by an upgrade");
    machine.run("systemctl", &["start", UNIT])?;
    probing(&machine)?;

    modify(&machine, &["--erase", UNIT])?;
    removed(&machine, SAVED)?;
    ensure!(
        !machine.output("test", &["-e", CONFIG])?.status.success(),
        "the configuration was not renamed"
    );
    nothing_changed(&machine, &before, |path| {
        path == SAVED || path.starts_with(DATABASE)
    })
}

/// Reinstalls the package, which runs the same scripts as an upgrade.
fn reinstall(machine: &Machine) -> Result<()> {
    modify(machine, &["--upgrade", "--replacepkgs", PACKAGE])
}

/// Runs rpm to modify the installed packages. Debian's rpm requires a flag for that, and does not
/// know the dependencies provided by Debian packages.
fn modify(machine: &Machine, arguments: &[&str]) -> Result<()> {
    rpm(
        machine,
        &[&["--nodeps", "--force-debian"], arguments].concat(),
    )?;
    Ok(())
}

fn rpm(machine: &Machine, arguments: &[&str]) -> Result<String> {
    machine.run("rpm", &[&["--dbpath", DATABASE], arguments].concat())
}
