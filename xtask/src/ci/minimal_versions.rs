//! Checks the crates with the oldest dependencies that Cargo.toml allows.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::shell::{LONG, SHORT, cargo, output, program, root, run};

/// Checks the published crates with the oldest version of each direct dependency. It uses a copy of
/// the workspace, since Cargo.lock changes.
pub(super) fn check() -> Result<()> {
    let folder = root().join("target/minimal-versions");
    let copy = folder.join("source");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    let files = output(&mut program("git", &["ls-files", "crates", "Cargo.toml"]))?;
    for file in files.lines() {
        let to = copy.join(file);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(root().join(file), to)?;
    }
    published_only(&copy.join("Cargo.toml"))?;
    let mut oldest = cargo(&["-Zdirect-minimal-versions", "update", "--quiet"]);
    // An unstable feature of the resolver; it does not affect the build.
    oldest.current_dir(&copy).env("RUSTC_BOOTSTRAP", "1");
    run(&mut oldest, SHORT)?;
    let mut check = cargo(&["check", "--locked", "--workspace", "--lib", "--bins"]);
    check.current_dir(&copy).env("CARGO_TARGET_DIR", &folder);
    run(&mut check, LONG)
}

/// Removes tools and examples from a workspace.
fn published_only(manifest: &Path) -> Result<()> {
    let text = fs::read_to_string(manifest)?;
    let lines = text.lines().map(|line| {
        if line.starts_with("members =") {
            "members = [\"crates/*\"]"
        } else {
            line
        }
    });
    Ok(fs::write(manifest, lines.collect::<Vec<_>>().join("\n"))?)
}
