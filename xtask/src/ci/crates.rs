//! Checks of the crates, by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::shell::{output, root, run};
use crate::tools::{command, run_line};

/// The prefix of every crate, which the table of arrows in ARCHITECTURE.md omits.
const PREFIX: &str = "tcp-echo-";
/// The line before the table.
const TABLE: &str = "Arrows point to dependencies:";

/// What a program that embeds the prober must not get with it.
const NOT_UNDER_PROBER: [&str; 5] = ["axum", "hyper", "clap", "rustls", "hickory-resolver"];

/// The time limit for an example on a busy machine; each takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// The crates of this workspace that each of them depends on.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Returns all packages of the workspace.
pub(crate) fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.current_dir(root()).no_deps();
    Ok(command.other_options(["--locked".to_owned()]).exec()?)
}

/// Returns whether it is one of the project's crates, not a tool, benchmark or example.
fn is_crate(package: &Package) -> bool {
    package.manifest_path.starts_with(root().join("crates"))
}

/// Checks that the dependencies between crates are those of the table in ARCHITECTURE.md. Cargo itself
/// refuses circles.
pub(super) fn arrows() -> Result<()> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let wrong = differences(&text, &actual(&metadata()?));
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// Returns the normal dependencies, on all platforms and with all features.
fn actual(metadata: &Metadata) -> Arrows {
    let name = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let crates = || metadata.packages.iter().filter(|one| is_crate(one));
    let names: BTreeSet<_> = crates().map(|one| name(&one.name)).collect();
    let arrows = crates().map(|one| {
        let normal = one
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        let to = normal.map(|dependency| name(&dependency.name));
        (
            name(&one.name),
            to.filter(|to| names.contains(to)).collect(),
        )
    });
    arrows.collect()
}

/// Returns what the document has otherwise.
fn differences(document: &str, actual: &Arrows) -> Vec<String> {
    let (list, table) = document.split_once(TABLE).unwrap_or_default();
    let mut documented = parse(table, actual);
    let mut wrong = Vec::new();
    for (name, to) in actual {
        if !list.contains(&format!("\n{PREFIX}{name} ")) {
            wrong.push(format!(
                "{PREFIX}{name} is not in the list of ARCHITECTURE.md"
            ));
        }
        let table = documented.remove(name).unwrap_or_default();
        if table != *to {
            wrong.push(format!(
                "{name} depends on {to:?}, but has {table:?} in ARCHITECTURE.md"
            ));
        }
    }
    wrong.extend(documented.keys().map(|name| format!("there is no {name}")));
    wrong
}

/// Parses lines such as `report ───► prober (Observer), log`, up to the end of their block.
fn parse(table: &str, crates: &Arrows) -> Arrows {
    let block = table.split("```").nth(1).unwrap_or_default();
    let lines = block.lines().filter_map(|line| line.split_once('►'));
    let arrows = lines.map(|(from, to)| {
        let from = from.trim_end_matches([' ', '─']);
        let words: Vec<&str> = to.split(|c: char| !c.is_ascii_alphabetic()).collect();
        let names = crates.keys().filter(|name| match to.trim() {
            "all crates" => crates.get(from).is_some_and(|to| to.contains(*name)),
            _ => words.contains(&name.as_str()),
        });
        (from.to_owned(), names.cloned().collect())
    });
    arrows.collect()
}

/// Checks that the prober's dependencies, on every platform, are free of metrics, HTTP and a resolver
/// of its own.
pub(super) fn prober_is_lean() -> Result<()> {
    for name in NOT_UNDER_PROBER {
        let below = |program: &str| {
            let tree = "cargo tree --locked --edges normal --target all";
            let line = format!("{tree} --package {PREFIX}{program} --invert {name}");
            command(&line).and_then(|mut tree| output(&mut tree))
        };
        if let Ok(tree) = below("prober") {
            bail!("the prober brings {name}:\n{tree}");
        }
        // A check of the check: it is where it belongs.
        below("metrics")?;
    }
    Ok(())
}

/// Checks that a folder is named like its crate and that every crate uses the lints of the workspace,
/// which include `missing_docs` and `unsafe_code`.
pub(super) fn laid_out() -> Result<()> {
    for package in metadata()?.packages.iter().filter(|one| is_crate(one)) {
        let manifest = &package.manifest_path;
        ensure!(
            manifest.ends_with(format!("{}/Cargo.toml", package.name)),
            "{} is in {manifest}",
            package.name
        );
        ensure!(
            fs::read_to_string(manifest)?.contains("[lints]\nworkspace = true"),
            "{manifest} does not use the workspace's lints"
        );
    }
    Ok(())
}

/// Runs every example until it exits.
pub(super) fn examples() -> Result<()> {
    run_line("cargo build --locked --workspace --examples")?;
    for package in metadata()?.packages {
        for example in package.targets.iter().filter(|target| target.is_example()) {
            let line = format!(
                "cargo run --locked --quiet --package {} --example {}",
                package.name, example.name
            );
            run(&mut command(&line)?, LIMIT)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "
tcp-echo-a the first
tcp-echo-b the second
tcp-echo-c the third

Arrows point to dependencies:

```text
c ──► all crates
b ──► a (Something), and nothing else
```
";

    #[test]
    fn every_difference_is_named() {
        let arrows: Arrows = [("a", vec![]), ("b", vec!["a"]), ("c", vec!["a", "b"])]
            .map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()))
            .into();
        assert!(differences(DOCUMENT, &arrows).is_empty());
        for (there, instead, wrong) in [
            ("► a", "►", "b depends on {\"a\"}"),
            ("(Something)", "c", "but has {\"a\", \"c\"}"),
            ("tcp-echo-a ", "", "tcp-echo-a is not in the list"),
            ("b ──► a", "d ──► a", "there is no d"),
        ] {
            let found = differences(&DOCUMENT.replace(there, instead), &arrows);
            assert!(found.iter().any(|one| one.contains(wrong)), "{found:?}");
        }
    }
}
