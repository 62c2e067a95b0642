//! The package of Fedora's kind: installed, configured, installed over itself and erased,
//! with nothing left but the changed configuration.
//!
//! On Debian's systemd, by Debian's rpm, with the presets of Fedora's kind.

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::machine::Machine;

use super::{
    CONFIG, UNIT, configure, is_enabled, nothing_changed, package, probing, removed, running,
};

/// Where the package is in the machine.
const PACKAGE: &str = "/root/package.rpm";
/// Where a changed configuration is kept.
const SAVED: &str = "/etc/default/tcp-echo-metrics.rpmsave";
const DATABASE: &str = "/var/lib/rpm";
/// Folders that other packages have made before where such packages are at home.
const THEIRS: [&str; 3] = [
    "/usr/share/fish/vendor_completions.d",
    "/usr/share/licenses",
    "/usr/share/zsh/site-functions",
];

pub(super) fn life(context: &Context) -> Result<()> {
    let package = package(context, ".x86_64.rpm")?;
    let machine = Machine::boot_with(context, &["rpm"])?;
    machine.put(&package, PACKAGE)?;
    // As the systems have it that such packages are for: nothing is enabled by itself.
    let preset = "mkdir -p /etc/systemd/system-preset
                  echo 'disable *' > /etc/systemd/system-preset/99-default.preset";
    machine.run("sh", &["-c", preset])?;
    machine.run("mkdir", &[&["--parents"], &THEIRS[..]].concat())?;
    let before = machine.files()?;

    change(&machine, &["--install", PACKAGE])?;
    ensure!(
        rpm(&machine, &["--verify", "--nodeps", UNIT])?.is_empty(),
        "files are not as packaged"
    );
    ensure!(is_enabled(&machine)? == "disabled", "enabled by itself");
    ensure!(machine.main_pid(UNIT)? == 0, "started by itself");

    configure(&machine)?;
    machine.run("systemctl", &["enable", "--now", UNIT])?;
    probing(&machine)?;
    let configured = running(&machine)?;

    install_over_itself(&machine)?;
    ensure!(
        running(&machine)? != configured,
        "not restarted by the upgrade"
    );
    ensure!(is_enabled(&machine)? == "enabled", "disabled by an upgrade");
    probing(&machine)?;

    // What the administrator has stopped stays so.
    machine.run("systemctl", &["stop", UNIT])?;
    install_over_itself(&machine)?;
    ensure!(machine.main_pid(UNIT)? == 0, "started by an upgrade");
    machine.run("systemctl", &["start", UNIT])?;
    probing(&machine)?;

    change(&machine, &["--erase", UNIT])?;
    removed(&machine, SAVED)?;
    ensure!(
        !machine.output("test", &["-e", CONFIG])?.status.success(),
        "the configuration is in its place still"
    );
    nothing_changed(&machine, &before, |path| {
        path == SAVED || path.starts_with(DATABASE)
    })
}

/// As an upgrade does: the new files come, then the scripts for the old ones run.
fn install_over_itself(machine: &Machine) -> Result<()> {
    change(machine, &["--upgrade", "--replacepkgs", PACKAGE])
}

/// Has rpm change what is installed. Debian's wants to hear that this is meant, and knows
/// nothing of what packages that are not rpm's provide.
fn change(machine: &Machine, arguments: &[&str]) -> Result<()> {
    rpm(
        machine,
        &[&["--nodeps", "--force-debian"], arguments].concat(),
    )?;
    Ok(())
}

fn rpm(machine: &Machine, arguments: &[&str]) -> Result<String> {
    machine.run("rpm", &[&["--dbpath", DATABASE], arguments].concat())
}
