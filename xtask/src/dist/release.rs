//! The release and its output folders.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{self, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::shell::{cargo, output, program, root, target_dir};
use testkit::skip::skip;

/// The name of the package and of the binary.
pub(super) const PACKAGE: &str = "tcp-echo-metrics";

/// The name of the checksum file, in the format of `sha256sum --check`.
pub(super) const SUMS: &str = "SHA256SUMS";

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
    pub(super) fn of_this_commit(out: PathBuf) -> Result<Self> {
        let id = output(&mut cargo(&["pkgid", "--locked", "-p", PACKAGE]))?;
        let version = id.trim().rsplit(['#', '@']).next().unwrap_or_default();
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
            revision: git(&["rev-parse", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned()),
            time: OffsetDateTime::from_unix_timestamp(seconds)?,
            // The tools run in the workspace, not in the current folder.
            out: path::absolute(out)?,
            work: target_dir().join("dist-build"),
        })
    }

    /// Writes the checksums of all artifacts in the output folder, including those of earlier runs and
    /// other machines. A skip if there are none.
    pub(super) fn write_sums(&self) -> Result<()> {
        let file = self.out.join(SUMS);
        // Those of an earlier run must not remain if its artifacts are gone.
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let mut sums = Vec::new();
        for file in fs::read_dir(&self.out)? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(PACKAGE) && path.is_file() {
                sums.push((name.clone().into_owned(), sha256(&fs::read(&path)?)));
            }
        }
        if sums.is_empty() {
            return skip("no artifact was built");
        }
        sums.sort();
        let lines = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n"));
        Ok(fs::write(file, lines.collect::<String>())?)
    }
}

/// Returns whether the commit is not all that goes into the artifacts.
pub(super) fn is_uncommitted() -> bool {
    git(&["status", "--porcelain"]).is_ok_and(|text| !text.is_empty())
}

/// Returns the SHA-256 digest in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a file of the repository.
pub(super) fn read(path: &str) -> Result<Vec<u8>> {
    fs::read(root().join(path)).with_context(|| path.to_owned())
}

fn git(arguments: &[&str]) -> Result<String> {
    Ok(output(&mut program("git", arguments))?.trim().to_owned())
}
