//! `cargo xtask publish`: the crates, to crates.io, each after those that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::report::Report;
use crate::shell::{LONG, cargo, output, root, run};

/// What the arguments ask for.
#[derive(Debug, Default, PartialEq)]
struct Asked<'a> {
    dry: bool,
    /// The release's tag, which has to be that of the version.
    tag: Option<&'a str>,
}

/// Publishes all crates, or finds out whether that could be done.
pub(crate) fn run_all(arguments: &[&str]) -> ExitCode {
    let asked = match parse(arguments) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new();
    report.step("publish", || publish(&asked));
    report.finish()
}

fn parse<'a>(arguments: &[&'a str]) -> Result<Asked<'a>> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--dry-run" => asked.dry = true,
            "--tag" => asked.tag = Some(arguments.next().context("--tag wants a tag after it")?),
            other => bail!("{other:?}: there are --dry-run and --tag TAG"),
        }
    }
    Ok(asked)
}

fn publish(asked: &Asked<'_>) -> Result<()> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--locked"];
    let metadata = serde_json::from_str(&output(&mut cargo(&arguments))?)?;
    let crates = published(&metadata)?;
    let order = order(&crates)?;
    let versions: BTreeSet<&str> = crates.values().map(|one| &*one.version).collect();
    ensure!(
        versions.len() == 1,
        "the crates have several versions: {versions:?}"
    );
    let version = versions.first().copied().unwrap_or_default();
    if let Some(tag) = asked.tag {
        ensure!(
            tag == format!("v{version}"),
            "the tag is {tag}, the version {version}"
        );
        let log = fs::read_to_string(root().join("CHANGELOG.md"))?;
        let heading = format!("## [{version}]");
        ensure!(
            log.lines().any(|line| line.starts_with(&heading)),
            "CHANGELOG.md has no {heading}"
        );
    }
    println!("    {version}: {}", order.join(", "));
    if asked.dry {
        // At once: one that is not published yet is no use to the next one.
        let mut command = cargo(&["publish", "--dry-run", "--locked"]);
        for name in &order {
            command.args(["--package", name]);
        }
        return run(&mut command, LONG);
    }
    for name in order {
        if is_published(name, version) {
            println!("    {name} {version} is published already");
            continue;
        }
        // It waits until others can find it.
        run(
            &mut cargo(&["publish", "--locked", "--package", name]),
            LONG,
        )?;
    }
    Ok(())
}

/// Whether an earlier run that broke off has published it.
fn is_published(name: &str, version: &str) -> bool {
    let id = format!("{name}@{version}");
    output(&mut cargo(&[
        "info",
        "--quiet",
        "--registry",
        "crates-io",
        &id,
    ]))
    .is_ok()
}

/// A crate, and those of the workspace that have to be there before it.
struct Crate {
    version: String,
    needs: BTreeSet<String>,
}

/// The crates that are published, by their names.
fn published(metadata: &Value) -> Result<BTreeMap<String, Crate>> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    // `publish` is null for every registry, and empty for none.
    let packages = packages
        .iter()
        .filter(|package| package["publish"].is_null());
    let name = |value: &Value| value["name"].as_str().map(str::to_owned);
    let all: BTreeSet<String> = packages.clone().filter_map(name).collect();
    packages
        .map(|package| {
            let own = name(package).context("a package without a name")?;
            let dependencies = package["dependencies"]
                .as_array()
                .context("no dependencies")?;
            // Cargo leaves out what has no version, which can be for tests alone.
            let counts = |one: &&Value| one["req"] != "*" && !one["path"].is_null();
            let needs = dependencies.iter().filter(counts).filter_map(name);
            let version = package["version"]
                .as_str()
                .context("no version")?
                .to_owned();
            let needs = needs.filter(|name| all.contains(name)).collect();
            Ok((own, Crate { version, needs }))
        })
        .collect()
}

/// Their names, each after those that it needs.
fn order(crates: &BTreeMap<String, Crate>) -> Result<Vec<&str>> {
    let mut order: Vec<&str> = Vec::new();
    while order.len() < crates.len() {
        let next = crates.iter().find(|(name, one)| {
            let ready = |need: &String| order.contains(&need.as_str());
            !order.contains(&name.as_str()) && one.needs.iter().all(ready)
        });
        let Some((name, _)) = next else {
            let left: Vec<_> = crates
                .keys()
                .filter(|name| !order.contains(&name.as_str()))
                .collect();
            bail!("these need each other: {left:?}");
        };
        order.push(name);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, needs: &[&str]) -> Value {
        let needs: Vec<Value> = needs
            .iter()
            .map(|need| json!({"name": need, "req": "^1", "path": "/w"}))
            .collect();
        json!({"name": name, "version": "1.0.0", "publish": null, "dependencies": needs})
    }

    #[test]
    fn each_comes_after_those_it_needs() {
        let mut tool = package("tool", &["a"]);
        tool["publish"] = json!([]);
        let mut a = package("a", &["c", "b", "serde", "tool"]);
        // One for tests, by its path alone, which is not published along.
        let circle = json!({"name": "d", "req": "*", "path": "/w", "kind": "dev"});
        a["dependencies"].as_array_mut().unwrap().push(circle);
        let d = package("d", &["a"]);
        let metadata = json!({"packages": [a, package("b", &["c"]), package("c", &[]), d, tool]});
        let crates = published(&metadata).unwrap();
        assert_eq!(order(&crates).unwrap(), ["c", "b", "a", "d"]);
    }

    #[test]
    fn a_circle_is_an_error() {
        let metadata = json!({"packages": [package("a", &["b"]), package("b", &["a"])]});
        let crates = published(&metadata).unwrap();
        assert!(
            order(&crates)
                .unwrap_err()
                .to_string()
                .contains("need each other")
        );
    }

    #[test]
    fn arguments() {
        let asked = parse(&["--dry-run", "--tag", "v1"]).unwrap();
        assert_eq!(
            asked,
            Asked {
                dry: true,
                tag: Some("v1")
            }
        );
        for wrong in [&["--tag"][..], &["--force"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
