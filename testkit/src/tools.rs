//! Programs that tests need, installed from Debian packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::process::geteuid;

use crate::shell::{has, program, run};
use crate::skip::skip;

/// The name of a program, and the Debian package that provides it.
pub type Tool = (&'static str, &'static str);

const LIMIT: Duration = Duration::from_secs(300);

/// Folders of system programs, which may be missing from a user's `PATH`.
const SBIN: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Packages that may start a service on installation, and the service's name.
const SERVICES: [(&str, &str); 2] = [("nginx-light", "nginx"), ("prometheus", "prometheus")];

/// Installs the missing tools, as root on Debian.
///
/// # Errors
///
/// A skip if they can't be installed; each test then reports its missing tools.
pub fn install<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<()> {
    let missing: BTreeSet<&Tool> = tools.filter(|tool| !is_installed(tool.0)).collect();
    let packages: BTreeSet<&str> = missing.iter().map(|tool| tool.1).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.iter().copied().collect::<Vec<_>>().join(", ");
    if !has("apt-get") || !geteuid().is_root() {
        return skip(format!(
            "missing, and only root on Debian can install them: {list}"
        ));
    }
    let apt = |arguments: &[&str]| {
        let mut command = program("apt-get", arguments);
        // At this run level, Debian's package scripts start no services.
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        run(&mut command, LIMIT)
    };
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(&packages);
    if apt(&["update", "--quiet"])
        .and_then(|()| apt(&arguments))
        .is_err()
    {
        return skip(format!("cannot be installed: {list}"));
    }
    for (package, service) in SERVICES {
        if packages.contains(package) {
            stop_service(service);
        }
    }
    Ok(())
}

fn stop_service(name: &str) {
    let systemd = Path::new("/run/systemd/system").exists() && has("systemctl");
    let stopped = if systemd {
        run(
            &mut program("systemctl", &["disable", "--now", "--quiet", name]),
            LIMIT,
        )
    } else {
        run(&mut program("service", &[name, "stop"]), LIMIT)
    };
    if let Err(error) = stopped {
        println!("    {error:#}");
    }
}

/// Checks whether a test that needs these tools, and possibly root, can run.
///
/// # Errors
///
/// The reason why it can't run.
pub fn usable(tools: &[Tool], root: bool) -> Result<(), String> {
    if root && !geteuid().is_root() {
        return Err("network namespaces need root".to_owned());
    }
    match tools.iter().find(|tool| !is_installed(tool.0)) {
        Some((name, package)) => Err(format!("{name} is missing (Debian package {package})")),
        None => Ok(()),
    }
}

fn is_installed(name: &str) -> bool {
    has(name)
        || SBIN
            .iter()
            .any(|folder| Path::new(folder).join(name).is_file())
}
