//! What goes with the binary: what there is to read, the man page and the completions.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use time::format_description::well_known::Rfc2822;

use super::archive::{Entry, gzip};
use super::build;
use super::release::{PACKAGE, Release, folder, read};
use super::target::Target;
use crate::shell::{LONG, cargo, output, run};

/// As in Cargo.toml.
const MAINTAINER: &str = "The tcp-echo-metrics authors <authors@tcp-echo-metrics.invalid>";
const DOCUMENTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// What packages have besides, of `deploy/`.
const DEPLOYED: [&str; 4] = [
    "deploy/default/tcp-echo-metrics",
    "deploy/systemd/tcp-echo-metrics-echo.socket",
    "deploy/systemd/tcp-echo-metrics-metrics.socket",
    "deploy/systemd/tcp-echo-metrics.service",
];

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

/// Puts them, and all else that a package has, where the tools that make packages find
/// them, beside the binary for the target, as Cargo.toml names them. One of the tools puts
/// down when a file was written: all were when the commit was made.
pub(super) fn lay_out(
    release: &Release,
    target: Target,
    binary: &Path,
    entries: &[Entry],
) -> Result<()> {
    let folder = build::folder(release, target).join("beside");
    let mut packaged = vec![changelog(release)?, Entry::new(PACKAGE, fs::read(binary)?)];
    for name in DEPLOYED {
        packaged.push(Entry::new(name, read(name)?));
    }
    for entry in entries {
        packaged.push(as_packaged(entry.clone())?);
    }
    for entry in packaged {
        let path = folder.join(&entry.path);
        let parent = path.parent().context("an entry without a folder")?;
        fs::create_dir_all(parent)?;
        fs::write(&path, &entry.bytes)?;
        let written = File::options().write(true).open(&path)?;
        written.set_modified(release.time.into())?;
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

    const MANIFEST: &str = include_str!("../../../crates/tcp-echo-metrics/Cargo.toml");

    #[test]
    fn an_rpm_has_nothing_of_another_time() {
        let (_, rpm) = MANIFEST
            .split_once("[package.metadata.generate-rpm]")
            .unwrap();
        let sources: Vec<_> = rpm.split("source = \"").skip(1).collect();
        assert!(!sources.is_empty());
        for source in sources {
            assert!(source.starts_with("target/release/beside/"), "{source}");
        }
    }

    #[test]
    fn one_maintainer() {
        assert!(MANIFEST.contains(&format!("maintainer = \"{MAINTAINER}\"")));
    }
}
