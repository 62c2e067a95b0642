//! The files of the repository.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::report::skip;
use crate::shell::{has, output, program, root};

/// The most that any file may have.
const MOST_BYTES: u64 = 1 << 20;
/// The most lines of a source file: long before this it does more than one job.
const MOST_LINES: usize = 800;

/// Paths of all files that git knows, from the root.
pub(super) fn tracked() -> Result<Vec<PathBuf>> {
    if !has("git") || !root().join(".git").exists() {
        return skip("this is no clone, or there is no git");
    }
    let list = output(&mut program("git", &["ls-files", "-z"]))?;
    let files = list.split_terminator('\0').map(PathBuf::from);
    // One that was removed and not yet committed is still listed.
    Ok(files.filter(|file| root().join(file).is_file()).collect())
}

/// Those of them whose names end so, with their text.
pub(super) fn texts(extension: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut texts = Vec::new();
    for file in tracked()? {
        if file.extension().is_some_and(|found| found == extension) {
            let text = fs::read_to_string(root().join(&file))?;
            texts.push((file, text));
        }
    }
    Ok(texts)
}

pub(super) fn small() -> Result<()> {
    let mut large = Vec::new();
    for file in tracked()? {
        let bytes = fs::metadata(root().join(&file))?.len();
        if bytes > MOST_BYTES {
            large.push(format!("{} has {bytes} bytes", file.display()));
        }
    }
    for (file, text) in texts("rs")? {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            large.push(format!("{} has {lines} lines", file.display()));
        }
    }
    if !large.is_empty() {
        bail!("{}", large.join("; "));
    }
    Ok(())
}
