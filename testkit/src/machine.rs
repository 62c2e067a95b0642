//! A container with a minimal Debian, booted by systemd.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::exposition::Scrape;
use crate::netns::Namespace;
use crate::process::Process;
use crate::shell::{program, run, target_dir};
use crate::skip::skip;
use crate::tools::Tool;
use crate::wait;

/// The programs required to create and run a container.
pub const TOOLS: &[Tool] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("ip", "iproute2"),
];

const RELEASE: &str = "bookworm";
/// The packages required to boot.
const BASE_PACKAGES: &[&str] = &["systemd", "systemd-sysv", "dbus"];
/// The time limit for downloading the packages.
const FETCH: Duration = Duration::from_secs(300);
/// The time limit until all units run.
const BOOT: Duration = Duration::from_secs(60);
/// The time limit for a command in the container, in seconds.
const COMMAND: &str = "30";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// The path of the binary in the container.
pub const BINARY: &str = "/usr/local/bin/tcp-echo-metrics";

/// A running container. Dropping it stops it and discards its changes.
pub struct Machine {
    process: Process,
    /// Its init process.
    leader: u32,
    namespace: Namespace,
}

impl Machine {
    /// Boots a container with the binary, in a new network namespace.
    ///
    /// # Errors
    ///
    /// If the container can't be created or does not boot; a skip if the Debian packages can't be
    /// downloaded.
    pub fn boot(context: &Context) -> Result<Self> {
        Self::boot_with(context, &[])
    }

    /// Like [`Machine::boot`], with these Debian packages installed.
    ///
    /// # Errors
    ///
    /// As [`Machine::boot`].
    pub fn boot_with(context: &Context, packages: &[&str]) -> Result<Self> {
        let system = system(packages)?;
        let namespace = Namespace::new()?;
        let mut command = program(
            "systemd-nspawn",
            &["--quiet", "--boot", "--volatile=overlay"],
        );
        command
            .args(["--register=no", "--keep-unit", "--link-journal=no"])
            .arg(format!("--machine={}", namespace.name()))
            .arg(format!(
                "--network-namespace-path={}",
                namespace.path().display()
            ))
            .arg(format!("--directory={}", system.display()))
            .arg(format!("--bind-ro={}:/binary", context.binary().display()));
        let process = Process::spawn(context, "container", &mut command)?;
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        let mut machine = Self {
            process,
            leader: 0,
            namespace,
        };
        wait::until("a running container", BOOT, || {
            if let Some(status) = machine.process.ended() {
                return Some(Err(status));
            }
            // The first child of nspawn sets up the container and exits soon.
            let children = fs::read_to_string(&children).ok()?;
            machine.leader = children.split_whitespace().next()?.parse().ok()?;
            let state = machine.output("systemctl", &["is-system-running"]).ok()?;
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            (state == "running").then_some(Ok(()))
        })?
        .0
        .map_err(|status| anyhow::anyhow!("the container exited: {status}"))?;
        machine.run("cp", &["/binary", BINARY])?;
        Ok(machine)
    }

    /// Runs a program in the container; returns its output and status.
    ///
    /// # Errors
    ///
    /// If `nsenter` does not start.
    pub fn output(&self, name: &str, arguments: &[&str]) -> Result<Output> {
        let leader = self.leader.to_string();
        Command::new("nsenter")
            .args(["--target", &leader])
            .args([
                "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
            ])
            .args(["timeout", COMMAND, "env", "-i", &format!("PATH={PATH}")])
            .arg("LC_ALL=C")
            .arg(name)
            .args(arguments)
            .output()
            .context("nsenter")
    }

    /// Runs a program in the container and returns its standard output.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(name, arguments)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{name} {arguments:?}: {}: {text}{error}", output.status);
        }
        Ok(text)
    }

    /// Copies a file into the container.
    ///
    /// # Errors
    ///
    /// If the file can't be copied.
    pub fn put(&self, file: &Path, to: &str) -> Result<()> {
        let destination = format!("/proc/{}/root{to}", self.leader);
        fs::copy(file, &destination).with_context(|| format!("{} to {to}", file.display()))?;
        Ok(())
    }

    /// Runs the binary with these flags; returns its standard output.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn echo(&self, flags: &[&str]) -> Result<String> {
        self.run(BINARY, flags)
    }

    /// Runs the binary with invalid flags; returns its standard error.
    ///
    /// # Errors
    ///
    /// If its exit status is not `status`.
    pub fn refused(&self, flags: &[&str], status: i32) -> Result<String> {
        let output = self.output(BINARY, flags)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.code() == Some(status),
            "{flags:?}: {}: {out}{error}",
            output.status
        );
        Ok(error)
    }

    /// Returns a property of a systemd unit.
    ///
    /// # Errors
    ///
    /// If `systemctl` fails.
    pub fn property(&self, unit: &str, name: &str) -> Result<String> {
        let property = format!("--property={name}");
        let text = self.run("systemctl", &["show", "--value", &property, unit])?;
        Ok(text.trim().to_owned())
    }

    /// Returns the PID, in the container, of a service's main process; 0 if it does not run.
    ///
    /// # Errors
    ///
    /// If `systemctl` fails.
    pub fn main_pid(&self, unit: &str) -> Result<u32> {
        Ok(self.property(unit, "MainPID")?.parse()?)
    }

    /// Returns the endpoint at a port of the container's loopback address.
    pub fn endpoint(&self, port: u16) -> Endpoint {
        Endpoint {
            address: ([127, 0, 0, 1], port).into(),
            inside: self.namespace.inside(),
        }
    }

    /// Scrapes the metrics at a port of the container's loopback address.
    ///
    /// # Errors
    ///
    /// If the endpoint does not answer.
    pub fn scrape(&self, port: u16) -> Result<Scrape> {
        self.endpoint(port).scrape()
    }

    /// Lists all files in the folders to which a service could write.
    ///
    /// # Errors
    ///
    /// If `find` fails.
    pub fn files(&self) -> Result<String> {
        let text = self.run(
            "find",
            &[
                "/etc",
                "/usr",
                "/var",
                "/root",
                "/home",
                "/opt",
                "/srv",
                "/run/systemd/system",
                "-not",
                "-path",
                "/var/log/*",
            ],
        )?;
        let mut paths: Vec<&str> = text.lines().collect();
        paths.sort_unstable();
        Ok(paths.join("\n"))
    }

    /// Returns a service's log without timestamps.
    ///
    /// # Errors
    ///
    /// If `journalctl` fails.
    pub fn journal(&self, unit: &str) -> Result<String> {
        self.run(
            "journalctl",
            &["--no-pager", "--output=cat", "--unit", unit],
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let leader = i32::try_from(self.leader).ok().and_then(Pid::from_raw);
        if let Some(leader) = leader {
            // When the init process of a PID namespace exits, the kernel kills all others.
            let _ = kill_process(leader, Signal::KILL);
        }
        // nspawn then removes its mounts and exits; otherwise it is killed.
        for _ in 0..200 {
            if self.process.ended().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns the root folder of a system with these packages, created once and kept in the target folder.
fn system(packages: &[&str]) -> Result<PathBuf> {
    let folder = target_dir().join("e2e");
    fs::create_dir_all(&folder)?;
    let name = [&[RELEASE], packages].concat().join("-");
    let system = folder.join(&name);
    // Concurrent tests must not create it twice.
    let lock = File::create(folder.join("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if !system.exists() {
        let unfinished = folder.join(format!("{name}.unfinished"));
        create(&unfinished, packages)?;
        fs::rename(&unfinished, &system)?;
    }
    Ok(system)
}

fn create(folder: &Path, packages: &[&str]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let mut command = program("debootstrap", &["--variant=minbase"]);
    command
        .arg(format!(
            "--include={}",
            [BASE_PACKAGES, packages].concat().join(",")
        ))
        .arg(RELEASE)
        .arg(folder);
    match run(&mut command, FETCH) {
        Ok(()) => Ok(()),
        Err(error) => skip(format!("Debian's packages can't be downloaded: {error:#}")),
    }
}
