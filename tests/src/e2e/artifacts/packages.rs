//! Compares the binaries in packages with those in archives.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use testkit::context::Context;
use testkit::shell::{output, program};
use testkit::skip::skip;

use super::{folders, newest, unpack_archive};

/// The suffixes of packages, and of the archives for the same architecture.
const PACKAGES: [(&str, &str); 4] = [
    ("_amd64.deb", "-linux-x86_64.tar.gz"),
    ("_arm64.deb", "-linux-aarch64.tar.gz"),
    (".x86_64.rpm", "-linux-x86_64.tar.gz"),
    (".aarch64.rpm", "-linux-aarch64.tar.gz"),
];

pub(super) fn same_binaries(context: &Context) -> Result<()> {
    let mut compared = 0;
    for folder in folders() {
        for (package, archive) in PACKAGES {
            let find = |ending| newest(std::slice::from_ref(&folder), ending);
            let (Some(package), Some(archive)) = (find(package), find(archive)) else {
                continue;
            };
            let unpacked = unpack_archive(context, &archive)?;
            let packaged = contents(context, &package, compared)?;
            ensure!(
                read(&packaged.join("usr/bin/tcp-echo-metrics"))?
                    == read(&unpacked.join("tcp-echo-metrics"))?,
                "the binaries in {} and {} differ: build both from the same commit",
                package.display(),
                archive.display()
            );
            compared += 1;
        }
    }
    if compared == 0 {
        return skip("no package with a matching archive; run cargo xtask dist");
    }
    context.note(format!(
        "{compared} packages have the same binaries as their archives"
    ));
    Ok(())
}

/// Extracts the files of a package; returns the folder.
fn contents(context: &Context, package: &Path, number: usize) -> Result<PathBuf> {
    let folder = context.folder().join(format!("package-{number}"));
    fs::create_dir(&folder)?;
    let mut command = if package.extension().is_some_and(|end| end == "deb") {
        let mut command = program("dpkg-deb", &["--extract"]);
        command.arg(package).arg(&folder);
        command
    } else {
        let mut command = program("bsdtar", &["-xf"]);
        command.arg(package).arg("-C").arg(&folder);
        command
    };
    output(&mut command)?;
    Ok(folder)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| file.display().to_string())
}
