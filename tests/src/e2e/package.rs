//! Packages on a real systemd, from installation to removal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::exposition::Scrape;
use testkit::machine::{Machine, TOOLS};

use super::artifacts::artifact;
use crate::runner::Scenario;

mod deb;
mod rpm;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "package: a .deb from install to purge",
        tools: TOOLS,
        root: true,
        alone: true,
        run: deb::run,
    },
    Scenario {
        name: "package: an .rpm from install to erase",
        tools: TOOLS,
        root: true,
        alone: true,
        run: rpm::run,
    },
];

const UNIT: &str = "tcp-echo-metrics";
const CONFIG: &str = "/etc/default/tcp-echo-metrics";
const LIMIT: Duration = Duration::from_secs(20);

/// Returns the newest package whose name ends with `ending`.
fn package(context: &Context, ending: &str) -> Result<PathBuf> {
    let package = artifact(ending)?;
    context.note(format!(
        "{} was built by cargo xtask dist",
        package.display()
    ));
    Ok(package)
}

/// Configures the service to probe itself after its next start.
fn configure(machine: &Machine) -> Result<()> {
    let lines = format!("printf 'TCP_ECHO_MODE=both\\nTCP_ECHO_INTERVAL=10ms\\n' >> {CONFIG}");
    machine.run("sh", &["-c", &lines])?;
    Ok(())
}

/// Waits until the service has received replies.
fn probing(machine: &Machine) -> Result<Scrape> {
    let (scrape, _) = machine.endpoint(2112).until("replies", LIMIT, |scrape| {
        scrape.sum("tcp_echo_received_total", &[]) >= 10.0
    })?;
    Ok(scrape)
}

fn is_enabled(machine: &Machine) -> Result<String> {
    // The exit status is not 0 if the unit is not enabled.
    let output = machine.output("systemctl", &["is-enabled", UNIT])?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns the PID of the service, which must be running.
fn running_pid(machine: &Machine) -> Result<u32> {
    let pid = machine.main_pid(UNIT)?;
    ensure!(pid != 0, "the service does not run");
    Ok(pid)
}

/// Checks that the service is removed and its configuration is kept in the file `kept`.
fn removed(machine: &Machine, kept: &str) -> Result<()> {
    ensure!(
        machine.property(UNIT, "LoadState")? == "not-found",
        "the unit still exists"
    );
    ensure!(machine.scrape(2112).is_err(), "it runs after its removal");
    machine.run("grep", &["--quiet", "TCP_ECHO_MODE=both", kept])?;
    Ok(())
}

/// Checks that no files were added since `before`, except the `expected`, and none removed.
fn nothing_changed(machine: &Machine, before: &str, expected: impl Fn(&str) -> bool) -> Result<()> {
    let after = machine.files()?;
    let left: Vec<&str> = after
        .lines()
        .filter(|path| !before.lines().any(|old| old == *path))
        .filter(|path| !expected(path))
        .collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    let gone: Vec<&str> = before
        .lines()
        .filter(|path| !after.lines().any(|new| new == *path))
        .collect();
    ensure!(gone.is_empty(), "removed files: {gone:?}");
    let users = machine.output("getent", &["passwd", UNIT])?;
    ensure!(!users.status.success(), "its account still exists");
    Ok(())
}
