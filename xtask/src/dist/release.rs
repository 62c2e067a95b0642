//! The release and its output folders.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use time::OffsetDateTime;

use crate::shell::{cargo, output, program, root, target_dir};

/// The name of the package and of the binary.
pub(super) const PACKAGE: &str = "tcp-echo-metrics";

/// The output folder of a release, in cargo's target folder.
pub(crate) const FULL: &str = "dist";
/// The output folder in continuous integration.
pub(crate) const BRIEF: &str = "dist-brief";

pub(super) struct Release {
    pub(super) version: String,
    /// The full hash of the commit.
    pub(super) revision: String,
    /// The time of the commit, used for all timestamps in artifacts.
    pub(super) time: OffsetDateTime,
    /// The output folder.
    pub(super) out: PathBuf,
    /// Cargo's target folder for the release. It is separate, since two compilers would rebuild each
    /// other's output.
    pub(super) work: PathBuf,
}

impl Release {
    pub(super) fn of_this_commit(out: Option<&Path>) -> Result<Self> {
        let id = output(&mut cargo(&["pkgid", "--locked", "-p", PACKAGE]))?;
        let version = id.trim().rsplit(['#', '@']).next().unwrap_or_default();
        let revision = git(&["rev-parse", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
        let seconds = match env::var("SOURCE_DATE_EPOCH") {
            Ok(seconds) => seconds,
            Err(_) => git(&["log", "-1", "--format=%ct"])
                .context("not a git clone; set SOURCE_DATE_EPOCH")?,
        };
        let seconds = seconds.parse().with_context(|| {
            format!("SOURCE_DATE_EPOCH is {seconds:?}, not a number of seconds")
        })?;
        Ok(Self {
            version: version.to_owned(),
            revision,
            time: OffsetDateTime::from_unix_timestamp(seconds)?,
            // Relative to the current directory, not to the workspace.
            out: match out {
                Some(out) => env::current_dir()?.join(out),
                None => folder(FULL),
            },
            work: folder("dist-build"),
        })
    }

    /// Returns git's list of uncommitted changes.
    pub(super) fn uncommitted() -> Option<String> {
        git(&["status", "--porcelain"])
            .ok()
            .filter(|text| !text.is_empty())
    }

    pub(super) fn out(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }
}

/// Returns a folder in cargo's target folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    target_dir().join(name)
}

/// Reads a file of the repository.
pub(super) fn read(path: &str) -> Result<Vec<u8>> {
    let path = root().join(path);
    std::fs::read(&path).with_context(|| display(&path))
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn git(arguments: &[&str]) -> Result<String> {
    Ok(output(&mut program("git", arguments))?.trim().to_owned())
}
