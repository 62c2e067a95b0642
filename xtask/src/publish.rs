//! `cargo xtask publish`: publishes the crates to crates.io.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::shell::{LONG, cargo, output, root, run};
use testkit::report::Report;

#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    dry_run: bool,
    /// Whether files may differ from the commit: the release job adds its repository to them.
    allow_dirty: bool,
    /// The release tag, which must match the version.
    tag: Option<&'a str>,
}

/// Publishes all crates, or checks whether they can be published.
pub(crate) fn run_all(arguments: &[&str]) -> ExitCode {
    let mut report = Report::new();
    report.step("publish", || publish(&parse(arguments)?));
    report.finish()
}

fn parse<'a>(arguments: &[&'a str]) -> Result<Options<'a>> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--dry-run" => options.dry_run = true,
            "--allow-dirty" => options.allow_dirty = true,
            "--tag" => options.tag = Some(arguments.next().context("--tag takes a tag")?),
            other => {
                bail!("unknown argument {other:?}; expected --dry-run, --allow-dirty or --tag TAG")
            }
        }
    }
    Ok(options)
}

/// Publishes the crates. Cargo orders them by dependency and waits until the registry has each.
fn publish(options: &Options<'_>) -> Result<()> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--locked"];
    let metadata: Value = serde_json::from_str(&output(&mut cargo(&arguments))?)?;
    let crates = published(&metadata);
    let (_, version) = *crates.first().context("no crate to publish")?;
    for (name, other) in &crates {
        ensure!(
            *other == version,
            "{name} has version {other}, the others {version}"
        );
    }
    if let Some(tag) = options.tag {
        matches_tag(version, tag)?;
    }
    let mut command = cargo(&["publish", "--workspace", "--locked"]);
    if options.allow_dirty {
        command.arg("--allow-dirty");
    }
    if options.dry_run {
        command.arg("--dry-run");
    } else {
        // An interrupted run may have published some.
        for (name, _) in crates
            .iter()
            .filter(|(name, _)| is_published(name, version))
        {
            println!("    {name} {version} is already published");
            command.args(["--exclude", name]);
        }
    }
    run(&mut command, LONG)
}

/// Returns the names and versions of the crates to publish.
fn published(metadata: &Value) -> Vec<(&str, &str)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    // `publish` is null if a crate may be published, and empty if not.
    packages
        .filter(|package| package["publish"].is_null())
        .filter_map(|package| Some((package["name"].as_str()?, package["version"].as_str()?)))
        .collect()
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

fn is_published(name: &str, version: &str) -> bool {
    let id = format!("{name}@{version}");
    let arguments = ["info", "--quiet", "--registry", "crates-io", &id];
    output(&mut cargo(&arguments)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Options, parse, published};
    use serde_json::json;

    #[test]
    fn tools_are_not_published() {
        let metadata = json!({"packages": [
            {"name": "a", "version": "1.0.0", "publish": null},
            {"name": "tool", "version": "0.0.0", "publish": []},
        ]});
        assert_eq!(published(&metadata), [("a", "1.0.0")]);
    }

    #[test]
    fn arguments_are_parsed() {
        let options = Options {
            dry_run: true,
            allow_dirty: true,
            tag: Some("v1"),
        };
        let arguments = ["--dry-run", "--allow-dirty", "--tag", "v1"];
        assert_eq!(parse(&arguments).unwrap(), options);
        for invalid in [&["--tag"][..], &["--force"]] {
            assert!(parse(invalid).is_err(), "{invalid:?}");
        }
    }
}
