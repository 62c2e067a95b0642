//! The files distributed with the binary: documents, manual page and completions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use time::format_description::well_known::Rfc2822;

use super::archive::{File, Files, gzip};
use super::build;
use super::release::{PACKAGE, Release, read};
use super::target::Target;
use crate::ci::metadata;
use crate::shell::{output, target_dir};
use crate::tools::run_line;

const DOCUMENTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Additional files of packages, from `deploy/`.
const DEPLOYED: [&str; 4] = [
    "deploy/default/tcp-echo-metrics",
    "deploy/systemd/tcp-echo-metrics-echo.socket",
    "deploy/systemd/tcp-echo-metrics-metrics.socket",
    "deploy/systemd/tcp-echo-metrics.service",
];

const MANUAL: &str = "man/tcp-echo-metrics.1";

/// The files that the binary generates: the argument of `--generate`, and the path in an archive. The
/// file names are those that each shell expects.
const GENERATED: [(&str, &str); 5] = [
    ("man", MANUAL),
    ("complete-bash", "completions/tcp-echo-metrics.bash"),
    ("complete-fish", "completions/tcp-echo-metrics.fish"),
    ("complete-powershell", "completions/_tcp-echo-metrics.ps1"),
    ("complete-zsh", "completions/_tcp-echo-metrics"),
];

/// Returns all files with their paths in an archive. `binary` must run on this machine.
pub(super) fn beside(binary: &Path) -> Result<Files> {
    let mut files = Files::new();
    for name in DOCUMENTS {
        files.insert(name.to_owned(), File::plain(read(name)?));
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
            "--generate={word} does not mention {PACKAGE}"
        );
        files.insert(path.to_owned(), File::plain(text));
    }
    Ok(files)
}

/// Builds a binary for this machine.
pub(super) fn binary_for_host() -> Result<PathBuf> {
    run_line(&format!("cargo build --locked -p {PACKAGE}"))?;
    let name = format!("{PACKAGE}{}", env::consts::EXE_SUFFIX);
    Ok(target_dir().join("debug").join(name))
}

/// Writes these and all other files of a package to the paths named in Cargo.toml, next to the target's
/// binary, for the packaging tools. One of the tools records the modification time, at most that of the
/// commit, which is earlier than that of the files written here.
pub(super) fn stage_package(
    release: &Release,
    target: Target,
    binary: &Path,
    beside: Files,
) -> Result<()> {
    let folder = build::folder(release, target).join("beside");
    let mut files = beside;
    // Both systems require a compressed manual page.
    if let Some(page) = files.remove(MANUAL) {
        files.insert(format!("{MANUAL}.gz"), File::plain(gzip(&page.bytes)?));
    }
    files.insert("changelog.Debian.gz".to_owned(), changelog(release)?);
    files.insert(PACKAGE.to_owned(), File::plain(fs::read(binary)?));
    for name in DEPLOYED {
        files.insert(name.to_owned(), File::plain(read(name)?));
    }
    for (path, file) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, file.bytes)?;
    }
    Ok(())
}

/// Returns a Debian changelog with only this release. The project's changelog is a separate file.
fn changelog(release: &Release) -> Result<File> {
    let metadata = metadata()?;
    let package = metadata.packages.iter().find(|one| one.name == PACKAGE);
    let maintainer = package.and_then(|one| one.metadata["deb"]["maintainer"].as_str());
    let text = format!(
        "{PACKAGE} ({}-1) stable; urgency=medium\n\n  \
         * What is new is in changelog.gz.\n\n \
         -- {}  {}\n",
        release.version,
        maintainer.context("no maintainer in Cargo.toml")?,
        release.time.format(&Rfc2822)?
    );
    Ok(File::plain(gzip(text.as_bytes())?))
}

#[cfg(test)]
mod tests {
    const MANIFEST: &str = include_str!("../../../crates/tcp-echo-metrics/Cargo.toml");

    #[test]
    fn an_rpm_has_only_prepared_files() {
        let (_, rpm) = MANIFEST
            .split_once("[package.metadata.generate-rpm]")
            .unwrap();
        let sources: Vec<_> = rpm.split("source = \"").skip(1).collect();
        assert!(!sources.is_empty());
        for source in sources {
            assert!(source.starts_with("target/release/beside/"), "{source}");
        }
    }
}
