//! Running other programs, each with a limit of time.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// What a build or a test run may take at most on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(25 * 60);
/// What everything else may take at most.
pub(crate) const SHORT: Duration = Duration::from_secs(120);

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_owned).unwrap_or(here)
}

/// Where cargo puts what it builds: its own folder, or the one that the environment names.
pub(crate) fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// `cargo` with these arguments, at the root, without what the cargo that runs
/// this program says about it: build scripts would see changes in that.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    if env::var_os("CI").is_some() {
        // Nothing is built a second time there, and what would spare that takes time.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command.current_dir(root()).args(arguments);
    command
}

/// Any other program, at the root.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).args(arguments);
    command
}

/// Whether such a program can be run.
pub(crate) fn has(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        folder.join(name).is_file() || folder.join(name).with_extension("exe").is_file()
    })
}

/// Shows the command, runs it with its output shown, and fails where it fails.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<()> {
    println!("    $ {}", line(command));
    let child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("{} does not start", line(command)))?;
    let status = wait(child, limit).with_context(|| line(command))?;
    if !status.success() {
        bail!("{}: {status}", line(command));
    }
    Ok(())
}

/// Runs the command quietly and gives its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not start", line(command)))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", line(command), output.status, error.trim());
    }
    String::from_utf8(output.stdout).with_context(|| line(command))
}

/// Waits for the end of `child`, and kills it and its children after `limit`.
fn wait(mut child: Child, limit: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            kill_children(child.id());
            child.kill()?;
            child.wait()?;
            bail!("not done after {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
fn kill_children(parent: u32) {
    let children = format!("/proc/{parent}/task/{parent}/children");
    for child in std::fs::read_to_string(children)
        .unwrap_or_default()
        .split_whitespace()
    {
        let Ok(id) = child.parse::<i32>() else {
            continue;
        };
        kill_children(id.unsigned_abs());
        if let Some(pid) = rustix::process::Pid::from_raw(id) {
            // One that is gone already needs no killing.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn kill_children(_: u32) {}

/// A command as one would type it.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
