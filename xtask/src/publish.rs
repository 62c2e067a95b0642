//! `cargo xtask publish`: publishes the crates to crates.io.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::semver::Version;
use clap::Args;

use crate::ci::metadata;
use crate::shell::{LONG, output, root, run as run_command};
use crate::tools::command;

#[derive(Args)]
pub(crate) struct Options {
    /// Checks whether they can be published, and publishes none
    #[arg(long)]
    dry_run: bool,
    /// Accepts files that differ from the commit: the release job adds its repository to them
    #[arg(long)]
    allow_dirty: bool,
    /// The release tag, which must match the version
    #[arg(long)]
    tag: Option<String>,
}

/// Publishes the crates. Cargo orders them by dependency and waits until the registry has each.
pub(crate) fn run(options: &Options) -> Result<()> {
    let metadata = metadata()?;
    // `publish` is empty in a package that must not be published.
    let published = || metadata.packages.iter().filter(|one| one.publish.is_none());
    let version = &published().next().context("no crate to publish")?.version;
    for one in published() {
        ensure!(
            one.version == *version,
            "{} has version {}, another {version}",
            one.name,
            one.version
        );
    }
    if let Some(tag) = &options.tag {
        matches_tag(&version.to_string(), tag)?;
    }
    let mut command = command("cargo publish --workspace --locked")?;
    command.args(options.allow_dirty.then_some("--allow-dirty"));
    if options.dry_run {
        command.arg("--dry-run");
    } else {
        // An interrupted run may have published some.
        for one in published().filter(|one| is_published(&one.name, version)) {
            println!("    {} {version} is already published", one.name);
            command.args(["--exclude", &one.name]);
        }
    }
    run_command(&mut command, LONG)
}

fn matches_tag(version: &str, tag: &str) -> Result<()> {
    ensure!(
        tag == format!("v{version}"),
        "the tag is {tag}, but the version is {version}"
    );
    let log = fs::read_to_string(root().join("CHANGELOG.md"))?;
    let heading = format!("## [{version}]");
    ensure!(
        log.lines().any(|line| line.starts_with(&heading)),
        "CHANGELOG.md has no {heading}"
    );
    Ok(())
}

fn is_published(name: &str, version: &Version) -> bool {
    let line = format!("cargo info --quiet --registry crates-io {name}@{version}");
    command(&line)
        .and_then(|mut info| output(&mut info))
        .is_ok()
}
