//! Tells the binary its own revision and compiler, for `--version` and
//! `tcp_echo_build_info`. Nothing here depends on the time or fails the build:
//! what can't be found out is "unknown".

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TCP_ECHO_REVISION");
    // A packager who builds from a tarball sets the revision; git is asked otherwise.
    let revision = env::var("TCP_ECHO_REVISION")
        .ok()
        .filter(|revision| !revision.is_empty())
        .or_else(git_revision)
        .unwrap_or_else(|| UNKNOWN.into());
    println!("cargo:rustc-env=TCP_ECHO_REVISION={revision}");
    let rustc = rustc_version().unwrap_or_else(|| UNKNOWN.into());
    println!("cargo:rustc-env=TCP_ECHO_RUSTC={rustc}");
}

/// The short hash of the commit checked out, if this is the project's own
/// repository. A copy of the crate inside somebody else's repository (vendored,
/// say) must not take that one's hash, hence the look at where `.git` is.
fn git_revision() -> Option<String> {
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let root = crate_dir.parent()?.parent()?;
    if !root.join(".git").exists() || !root.join("crates/tcp-echo-metrics").exists() {
        return None;
    }
    let revision =
        output(
            Command::new("git")
                .current_dir(root)
                .args(["rev-parse", "--short=12", "HEAD"]),
        )?;
    watch_head(root);
    Some(revision)
}

/// Has cargo run this again when another commit is checked out: when HEAD names
/// another branch, or the branch another commit. A path that doesn't exist would
/// have it run at every build, so those are left out.
fn watch_head(root: &Path) {
    let branch =
        output(
            Command::new("git")
                .current_dir(root)
                .args(["symbolic-ref", "--quiet", "HEAD"]),
        );
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path =
            output(
                Command::new("git")
                    .current_dir(root)
                    .args(["rev-parse", "--git-path", name]),
            );
        if let Some(path) = path
            .map(|path| root.join(path))
            .filter(|path| path.exists())
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// `1.95.0` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc_version() -> Option<String> {
    let line = output(Command::new(env::var_os("RUSTC")?).arg("--version"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

/// What the command prints, trimmed, if it succeeds and prints anything.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
