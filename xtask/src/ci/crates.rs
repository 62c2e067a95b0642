//! How every crate is laid out.

use std::fs;

use anyhow::{Result, bail};

use super::code::code_only;
use super::metadata::packages;
use crate::shell::root;

/// The only crate with `unsafe` code.
pub(super) const UNSAFE: &str = "tcp-echo-socket";

/// A folder is named as its crate, and every crate takes the lints of all.
pub(super) fn laid_out() -> Result<()> {
    let mut wrong = Vec::new();
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?;
    if !workspace.contains("\nmissing_docs = \"deny\"\n") {
        wrong.push("the workspace's lints do not deny missing_docs".to_owned());
    }
    for package in packages()?.iter().filter(|package| package.is_crate()) {
        let name = &package.name;
        if !package.folder.ends_with(name) {
            wrong.push(format!("{name} is in {}", package.folder.display()));
        }
        let manifest = fs::read_to_string(package.folder.join("Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{name} does not take the workspace's lints"));
        }
        for target in package.root_files().filter(|_| name != UNSAFE) {
            let code = code_only(&fs::read_to_string(&target.source)?);
            if !code.contains("#![forbid(unsafe_code)]") {
                wrong.push(format!(
                    "{} lacks #![forbid(unsafe_code)]",
                    target.source.display()
                ));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}
