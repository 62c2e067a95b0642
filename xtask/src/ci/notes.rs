//! Checks for notes of unfinished work.

use anyhow::{Result, bail};

use crate::shell::program;

/// The words, split so that this file does not match.
const NOTES: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Checks the files tracked by git; clippy finds the macros.
pub(super) fn none() -> Result<()> {
    let pattern = NOTES.join("|");
    let mut grep = program(
        "git",
        &["grep", "-I", "--line-number", "--word-regexp", "-E"],
    );
    let found = grep.args([&*pattern, "--", ":!fuzz/corpus"]).output()?;
    match found.status.code() {
        Some(1) => Ok(()),
        _ => bail!(
            "{}{}",
            String::from_utf8_lossy(&found.stdout),
            String::from_utf8_lossy(&found.stderr)
        ),
    }
}
