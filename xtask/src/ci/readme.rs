//! The README shows how to start.

use std::fs;

use anyhow::{Result, bail};

use crate::shell::root;

/// One on each of two hosts, as a user of the original types them.
const COMMANDS: [&str; 2] = [
    "tcp-echo-metrics -mode=server",
    "tcp-echo-metrics -mode=client",
];

pub(super) fn commands() -> Result<()> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    for command in COMMANDS {
        if !readme.contains(command) {
            bail!("README.md does not show `{command}`");
        }
    }
    Ok(())
}
