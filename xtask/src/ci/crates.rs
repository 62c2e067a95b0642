//! Checks the layout of every crate.

use std::fs;

use anyhow::{Result, bail};

use super::metadata::packages;

/// Checks that a folder is named like its crate and that every crate uses the lints of the workspace,
/// which include `missing_docs` and `unsafe_code`.
pub(super) fn laid_out() -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages()?.iter().filter(|package| package.is_crate()) {
        let name = &package.name;
        if !package.folder.ends_with(name) {
            wrong.push(format!("{name} is in {}", package.folder.display()));
        }
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{name} does not use the workspace's lints"));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}
