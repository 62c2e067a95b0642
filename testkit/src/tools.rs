//! Programs that tests need, from Debian's packages.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::process::geteuid;

use crate::shell::{has, program, run};
use crate::skip::skip;

/// The name of a program, and Debian's package of it.
pub type Tool = (&'static str, &'static str);

const LIMIT: Duration = Duration::from_secs(300);

/// Where system programs are, which a user's path may leave out.
const SBIN: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Packages that may start a service on installation.
const SERVICES: [(&str, &str); 2] = [("nginx-light", "nginx"), ("prometheus", "prometheus")];

/// Installs the missing ones, by root on Debian.
///
/// # Errors
///
/// A skip if they can't be installed: each test names what is missing.
pub fn install<'a>(tools: impl Iterator<Item = &'a Tool>) -> Result<()> {
    let missing: BTreeSet<&Tool> = tools.filter(|tool| !is_there(tool.0)).collect();
    let packages: BTreeSet<&str> = missing.iter().map(|tool| tool.1).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.iter().copied().collect::<Vec<_>>().join(", ");
    if !has("apt-get") || !geteuid().is_root() {
        return skip(format!(
            "missing, and installed only by root on Debian: {list}"
        ));
    }
    let apt = |arguments: &[&str]| {
        let mut command = program("apt-get", arguments);
        // At this run level Debian's scripts start no service.
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

/// Whether a test that needs these tools, and root, can run here.
///
/// # Errors
///
/// The reason why not.
pub fn usable(tools: &[Tool], root: bool) -> Result<(), String> {
    if root && !geteuid().is_root() {
        return Err("network namespaces need root".to_owned());
    }
    match tools.iter().find(|tool| !is_there(tool.0)) {
        Some((name, package)) => Err(format!("{name} is missing (Debian package {package})")),
        None => Ok(()),
    }
}

fn is_there(name: &str) -> bool {
    has(name)
        || SBIN
            .iter()
            .any(|folder| Path::new(folder).join(name).is_file())
}
