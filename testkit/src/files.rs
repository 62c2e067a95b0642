//! Writes files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces a file atomically, so that a reader never sees a part of it.
///
/// # Errors
///
/// If the file can't be written.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path).with_context(|| path.display().to_string())
}
