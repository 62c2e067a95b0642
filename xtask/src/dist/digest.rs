//! SHA-256 digests and the checksum file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use testkit::skip::skip;

/// The name of the checksum file, in the format of `sha256sum --check`.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Returns the SHA-256 digest in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes the checksums of the files in `folder` whose names begin with `prefix`, including those of
/// earlier runs and other machines. A skip if there are none.
pub(super) fn write_sums(folder: &Path, prefix: &str) -> Result<()> {
    let sums = folder.join(SUMS);
    // Those of an earlier run must not remain if its artifacts are gone.
    if sums.exists() {
        fs::remove_file(&sums)?;
    }
    let mut names = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && file.path().is_file() {
            names.push(name);
        }
    }
    if names.is_empty() {
        return skip("no artifact was built");
    }
    names.sort();
    let mut text = String::new();
    for name in names {
        let bytes = fs::read(folder.join(&name)).with_context(|| name.clone())?;
        writeln!(text, "{}  {name}", sha256(&bytes))?;
    }
    Ok(fs::write(sums, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_standard() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }

    #[test]
    fn sums_are_sorted_and_only_of_matching_files() {
        let folder = std::env::temp_dir().join(format!("sums-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        write_sums(&folder, "x-").unwrap_err();
        assert!(!folder.join(SUMS).exists(), "checksums without files");
        for (name, text) in [("x-2", "abc"), ("x-1", ""), ("y", "")] {
            fs::write(folder.join(name), text).unwrap();
        }
        write_sums(&folder, "x-").unwrap();
        let sums = fs::read_to_string(folder.join(SUMS)).unwrap();
        for name in ["x-1", "x-2"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        write_sums(&folder, "x-").unwrap_err();
        assert!(!folder.join(SUMS).exists(), "checksums of an earlier run");
        fs::remove_dir_all(&folder).unwrap();
        let expected = format!("{}  x-1\n{}  x-2\n", sha256(b""), sha256(b"abc"));
        assert_eq!(sums, expected);
    }
}
