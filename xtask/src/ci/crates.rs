//! How every crate is laid out.

use std::fs;

use anyhow::{Result, bail};

use super::code::code_only;
use super::metadata::packages;

/// The only crate with `unsafe` code.
pub(super) const UNSAFE: &str = "tcp-echo-socket";

/// A folder is named as its crate, and every crate denies what it should.
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
        for target in package.root_files() {
            let code = code_only(&fs::read_to_string(&target.source)?);
            let mut lacks = |attribute: &str| {
                if !code.contains(attribute) {
                    wrong.push(format!("{} lacks {attribute}", target.source.display()));
                }
            };
            if name != UNSAFE {
                lacks("#![forbid(unsafe_code)]");
            }
            if target.kind == "lib" {
                lacks("#![deny(missing_docs)]");
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}
