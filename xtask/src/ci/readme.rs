//! Checks that the README shows how to start.

use std::fs;

use anyhow::{Result, bail};

use crate::shell::root;

/// The commands that run the program and its checks.
const COMMANDS: [&str; 2] = ["cargo run --release -- -mode=both", "cargo xtask ci"];

pub(super) fn commands() -> Result<()> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    for command in COMMANDS {
        if !readme.contains(command) {
            bail!("README.md does not show `{command}`");
        }
    }
    Ok(())
}
