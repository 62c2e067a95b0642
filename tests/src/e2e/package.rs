//! Packages on a real systemd, each from its installation to its removal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use testkit::context::Context;
use testkit::exposition::Scrape;
use testkit::machine::{Machine, TOOLS};
use testkit::wait;

use super::artifacts::made;
use crate::runner::Scenario;

mod deb;
mod rpm;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "package: a .deb's life from install to purge",
        tools: TOOLS,
        root: true,
        alone: true,
        run: deb::life,
    },
    Scenario {
        name: "package: an .rpm's life from install to erase",
        tools: TOOLS,
        root: true,
        alone: true,
        run: rpm::life,
    },
];

const UNIT: &str = "tcp-echo-metrics";
const CONFIG: &str = "/etc/default/tcp-echo-metrics";
const LIMIT: Duration = Duration::from_secs(20);

/// The newest package whose name ends so.
fn package(context: &Context, ending: &str) -> Result<PathBuf> {
    let package = made(ending)?;
    context.note(format!(
        "{} was made by cargo xtask dist",
        package.display()
    ));
    Ok(package)
}

/// Has the service probe itself from its next start on.
fn configure(machine: &Machine) -> Result<()> {
    let lines = format!("printf 'TCP_ECHO_MODE=both\\nTCP_ECHO_INTERVAL=10ms\\n' >> {CONFIG}");
    machine.run("sh", &["-c", &lines])?;
    Ok(())
}

/// Waits for replies, of the service as `CONFIG` has it.
fn probing(machine: &Machine) -> Result<Scrape> {
    let (scrape, _) = wait::until("replies", LIMIT, || {
        let scrape = machine.scrape(2112).ok()?;
        (scrape.sum("tcp_echo_received_total", &[]) >= 10.0).then_some(scrape)
    })?;
    Ok(scrape)
}

fn is_enabled(machine: &Machine) -> Result<String> {
    // Its status is not 0 where it is not enabled.
    let said = machine.output("systemctl", &["is-enabled", UNIT])?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// The main process of the service, which has to run.
fn running(machine: &Machine) -> Result<u32> {
    let pid = machine.main_pid(UNIT)?;
    ensure!(pid != 0, "the service does not run");
    Ok(pid)
}

/// The service is gone, and its configuration is still in the file `kept`.
fn removed(machine: &Machine, kept: &str) -> Result<()> {
    ensure!(
        machine.property(UNIT, "LoadState")? == "not-found",
        "the unit is still known"
    );
    ensure!(machine.scrape(2112).is_err(), "it runs after its removal");
    machine.run("grep", &["--quiet", "TCP_ECHO_MODE=both", kept])?;
    Ok(())
}

/// Nothing of the machine has come or gone since `before`, but what `expected` knows.
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
    ensure!(gone.is_empty(), "taken along: {gone:?}");
    let users = machine.output("getent", &["passwd", UNIT])?;
    ensure!(!users.status.success(), "its account is still known");
    Ok(())
}
