//! How every crate is laid out.

use std::fs;

use anyhow::{Result, bail};

use super::metadata::packages;

/// A folder is named as its crate, and every crate takes the lints of the workspace. Among these
/// are `missing_docs` and `unsafe_code`.
pub(super) fn laid_out() -> Result<()> {
    let mut wrong = Vec::new();
    for package in packages()?.iter().filter(|package| package.is_crate()) {
        let name = &package.name;
        if !package.folder.ends_with(name) {
            wrong.push(format!("{name} is in {}", package.folder.display()));
        }
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{name} does not take the workspace's lints"));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}
