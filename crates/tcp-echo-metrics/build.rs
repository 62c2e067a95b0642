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
    let date = root().and_then(|root| git(&root, &["show", "--no-patch", "--format=%cs"]));
    println!("cargo:rustc-env=TCP_ECHO_DATE={}", date.unwrap_or_default());
    let rustc = rustc_version().unwrap_or_else(|| UNKNOWN.into());
    println!("cargo:rustc-env=TCP_ECHO_RUSTC={rustc}");
}

/// The short hash of the commit checked out.
fn git_revision() -> Option<String> {
    let root = root()?;
    let revision = git(&root, &["rev-parse", "--short=12", "HEAD"])?;
    watch_head(&root);
    Some(revision)
}

/// The project's own repository, if this is it. A copy of the crate inside somebody
/// else's repository (vendored, say) must not take that one's commit, hence the look at
/// where `.git` is.
fn root() -> Option<PathBuf> {
    let crate_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let root = crate_dir.parent()?.parent()?;
    let is_ours = root.join(".git").exists() && root.join("crates/tcp-echo-metrics").exists();
    is_ours.then(|| root.to_owned())
}

/// Has cargo run this again when another commit is checked out: when HEAD names
/// another branch, or the branch another commit. A path that doesn't exist would
/// have it run at every build, so those are left out.
fn watch_head(root: &Path) {
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path = git(root, &["rev-parse", "--git-path", name]);
        if let Some(path) = path
            .map(|path| root.join(path))
            .filter(|path| path.exists())
        {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// What git says in that folder.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    output(Command::new("git").current_dir(root).args(arguments))
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
