//! What goes with the binary: what there is to read, the man page and the completions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use time::format_description::well_known::Rfc2822;

use super::archive::{Entry, gzip};
use super::release::{PACKAGE, Release, folder, read};
use super::target::Target;
use crate::shell::{LONG, cargo, output, run};

/// As in Cargo.toml.
const MAINTAINER: &str = "The tcp-echo-metrics authors <authors@tcp-echo-metrics.invalid>";
const DOCUMENTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// What the binary generates: by which word, and where that goes in an archive. The
/// names of files are those that each shell looks for.
const GENERATED: [(&str, &str); 5] = [
    ("man", "man/tcp-echo-metrics.1"),
    ("complete-bash", "completions/tcp-echo-metrics.bash"),
    ("complete-fish", "completions/tcp-echo-metrics.fish"),
    ("complete-powershell", "completions/_tcp-echo-metrics.ps1"),
    ("complete-zsh", "completions/_tcp-echo-metrics"),
];

/// All of it, with paths from the top of an archive. `binary` is one that runs here.
pub(super) fn beside_the_binary(binary: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in DOCUMENTS {
        entries.push(Entry::new(name, read(name)?));
    }
    for (word, path) in GENERATED {
        let mut command = Command::new(binary);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TCP_ECHO_") {
                command.env_remove(&name);
            }
        }
        let text = output(command.arg(format!("--generate={word}")))?;
        ensure!(
            text.contains(PACKAGE),
            "--generate={word} says nothing of {PACKAGE}"
        );
        entries.push(Entry::new(path, text));
    }
    Ok(entries)
}

/// A binary for this machine, whatever the others are for.
pub(super) fn binary_for_here() -> Result<PathBuf> {
    run(&mut cargo(&["build", "--locked", "-p", PACKAGE]), LONG)?;
    let name = format!("{PACKAGE}{}", env::consts::EXE_SUFFIX);
    Ok(folder("debug").join(name))
}

/// Puts them where the tools that make packages find them, beside the binary for the
/// target, as Cargo.toml names them.
pub(super) fn lay_out(release: &Release, target: Target, entries: &[Entry]) -> Result<()> {
    let folder = release.work.join(target.triple()).join("release/beside");
    let packaged = entries.iter().cloned().map(as_packaged);
    for entry in packaged.chain([Ok(changelog(release)?)]) {
        let entry = entry?;
        let path = folder.join(&entry.path);
        let parent = path.parent().context("an entry without a folder")?;
        fs::create_dir_all(parent)?;
        fs::write(path, &entry.bytes)?;
    }
    Ok(())
}

/// Both systems want manual pages compressed.
fn as_packaged(mut entry: Entry) -> Result<Entry> {
    if entry.path.starts_with("man/") {
        entry.path.push_str(".gz");
        entry.bytes = gzip(&entry.bytes)?;
    }
    Ok(entry)
}

/// What Debian's tools read of a package's history: this release of it. The project's
/// own is in another file.
fn changelog(release: &Release) -> Result<Entry> {
    let text = format!(
        "{PACKAGE} ({}-1) stable; urgency=medium\n\n  \
         * What is new is in changelog.gz.\n\n \
         -- {MAINTAINER}  {}\n",
        release.version,
        release.time.format(&Rfc2822)?
    );
    Ok(Entry::new("changelog.Debian.gz", gzip(text.as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::MAINTAINER;

    #[test]
    fn one_maintainer() {
        let manifest = include_str!("../../../crates/tcp-echo-metrics/Cargo.toml");
        assert!(manifest.contains(&format!("maintainer = \"{MAINTAINER}\"")));
    }
}
