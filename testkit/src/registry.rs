//! Packages of npm and of the Python package index, kept in `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::shell::{output, program, target_dir};
use crate::skip::skip;

/// Held while a package is fetched, since several tests may need the same one.
static FETCHING: Mutex<()> = Mutex::new(());

/// Returns the folder with the files of an npm package, given as `NAME@VERSION`. Its dependencies are
/// not installed, and its scripts don't run.
///
/// # Errors
///
/// A skip if it can't be fetched.
pub fn npm(package: &str) -> Result<PathBuf> {
    kept(package, |folder| {
        let mut pack = program(
            "npm",
            &["pack", "--loglevel=error", "--fetch-timeout=60000"],
        );
        pack.args(["--fetch-retries=1", "--pack-destination"]);
        output(pack.arg(folder).arg(package))?;
        let archive = fs::read_dir(folder)?.next().context("no archive")??.path();
        let mut unpack = program("tar", &["--extract", "--file"]);
        unpack.arg(&archive).arg("--directory").arg(folder);
        output(&mut unpack)
    })
    .map(|folder| folder.join("package"))
}

/// Returns the folder with the programs of these npm packages, given as `NAME@VERSION`, which are installed
/// with what they depend on. Their scripts don't run.
///
/// # Errors
///
/// A skip if they can't be fetched.
pub fn npm_programs(packages: &[&str]) -> Result<PathBuf> {
    kept(&packages.join("+"), |folder| {
        let mut install = program("npm", &["install", "--loglevel=error", "--fetch-retries=1"]);
        install.args(["--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        output(install.arg(folder).args(packages))
    })
    .map(|folder| folder.join("node_modules/.bin"))
}

/// Returns a folder for `PYTHONPATH` with these Python packages, given as `NAME==VERSION`, and what
/// they depend on.
///
/// # Errors
///
/// A skip if they can't be fetched.
pub fn python(packages: &[&str]) -> Result<PathBuf> {
    kept(&packages.join("+"), |folder| {
        let mut install = program(
            "python3",
            &["-m", "pip", "install", "--quiet", "--retries=1"],
        );
        output(install.arg("--target").arg(folder).args(packages))
    })
}

/// Returns the folder `name` in `target/tools`, which `fill` makes if it is missing.
fn kept(name: &str, fill: impl FnOnce(&Path) -> Result<String>) -> Result<PathBuf> {
    let _fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = target_dir().join("tools");
    let folder = tools.join(name.replace('/', "_"));
    if !folder.exists() {
        fs::create_dir_all(&tools)?;
        // Half a package, of a test that was killed, must not have the name.
        let unfinished = TempDir::new_in(&tools)?;
        if let Err(error) = fill(unfinished.path()) {
            let error = format!("{error:#}");
            let line = error.lines().next().unwrap_or_default();
            return skip(format!("{name} can't be fetched: {line}"));
        }
        fs::rename(unfinished.keep(), &folder)?;
    }
    Ok(folder)
}
