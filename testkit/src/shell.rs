//! Runs other programs, and finds the folders of this workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The time limit for a build or a test run on a slow machine.
pub const LONG: Duration = Duration::from_secs(25 * 60);
/// The time limit for everything else.
pub const SHORT: Duration = Duration::from_secs(120);

/// Returns the workspace root: the folder with Cargo.lock above the running package.
pub fn root() -> PathBuf {
    // Cargo sets this at run time; a program started by hand uses the path from its build.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_owned).unwrap_or(package)
}

/// Returns cargo's target directory.
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Creates a `cargo` command in the workspace root, without the variables that cargo sets for
/// this program, since a change in them would rerun build scripts.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    if env::var_os("CI").is_some() {
        // CI builds everything once, so incremental compilation only costs time.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command.current_dir(root()).args(arguments);
    command
}

/// Creates a command for any other program, in the workspace root.
pub fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).args(arguments);
    command
}

/// Returns whether a program of this name is in `PATH`.
pub fn has(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        folder.join(name).is_file() || folder.join(name).with_extension("exe").is_file()
    })
}

/// Prints the command and runs it; its output is inherited.
///
/// # Errors
///
/// If it does not start, fails, or takes longer than `limit`; it is then killed.
pub fn run(command: &mut Command, limit: Duration) -> Result<()> {
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

/// Runs the command and returns its standard output.
///
/// # Errors
///
/// If it does not start or fails; the message contains its standard error.
pub fn output(command: &mut Command) -> Result<String> {
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

/// Waits for `child` to exit; after `limit`, kills it and its descendants.
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
            bail!("timed out after {} s", limit.as_secs());
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
            // It may have exited already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn kill_children(_: u32) {}

/// Formats a command as typed in a shell.
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
