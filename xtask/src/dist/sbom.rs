//! A software bill of materials of the binaries, as a `CycloneDX` document.
//!
//! It uses `cargo tree`, which resolves the enabled features; `cargo metadata` resolves those of the
//! whole workspace, including tests.
//!
//! <https://cyclonedx.org/docs/1.6/json/>

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use cargo_lock::Lockfile;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::release::PACKAGE;
use super::target;
use crate::shell::{output, root};
use crate::tools::command;

/// A crate in the binaries.
struct Crate {
    component: Value,
    /// The URLs of its dependencies.
    dependencies: BTreeSet<String>,
}

/// The crates in the binaries for some targets, by their package URLs.
#[derive(Default)]
struct Crates(BTreeMap<String, Crate>);

/// Returns the document for the binaries for all targets.
pub(super) fn document(time: OffsetDateTime) -> Result<String> {
    let mut crates = Crates::default();
    for target in target::ALL {
        let tree = "cargo tree --locked --edges=normal --prefix=depth --format={p}|{l}|{r}";
        let line = format!("{tree} --package {PACKAGE} --target {}", target.triple);
        crates.add(&output(&mut command(&line)?)?)?;
    }
    let lock = Lockfile::load(root().join("Cargo.lock"))?;
    for package in lock.packages {
        let found = crates
            .0
            .get_mut(&url(package.name.as_str(), &package.version.to_string()));
        if let (Some(one), Some(checksum)) = (found, package.checksum) {
            let hash = json!({"alg": "SHA-256", "content": checksum.to_string()});
            one.component["hashes"] = json!([hash]);
        }
    }
    crates.document(time)
}

impl Crates {
    /// Adds a tree, in which each line begins with its depth. The dependencies of a crate are listed only
    /// at its first occurrence.
    fn add(&mut self, tree: &str) -> Result<()> {
        let mut above: Vec<String> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, url, component) =
                parse(line).with_context(|| format!("unexpected line of cargo tree: {line:?}"))?;
            above.truncate(depth);
            if let Some(parent) = above.last().and_then(|parent| self.0.get_mut(parent)) {
                parent.dependencies.insert(url.clone());
            }
            self.0.entry(url.clone()).or_insert_with(|| Crate {
                component,
                dependencies: BTreeSet::new(),
            });
            above.push(url);
        }
        Ok(())
    }

    fn document(mut self, time: OffsetDateTime) -> Result<String> {
        let dependencies: Vec<_> = self
            .0
            .iter()
            .map(|(url, one)| json!({"ref": url, "dependsOn": one.dependencies}))
            .collect();
        let is_root = |url: &String| url.starts_with(&format!("pkg:cargo/{PACKAGE}@"));
        let root = self.0.keys().find(|url| is_root(url)).cloned();
        let root = root.and_then(|root| self.0.remove(&root));
        let mut root = root
            .context("the binary is not in the output of cargo tree")?
            .component;
        root["type"] = "application".into();
        let components: Vec<_> = self.0.into_values().map(|one| one.component).collect();
        let document = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": time.format(&Rfc3339)?,
                "tools": {"components": [{"type": "application", "name": "cargo xtask dist"}]},
                "component": root,
            },
            "components": components,
            "dependencies": dependencies,
        });
        Ok(format!("{document:#}\n"))
    }
}

/// Parses a line such as `2clap v4.6.9 (proc-macro) (*)|MIT OR Apache-2.0|https://…`; returns the depth, the
/// package URL and the component.
fn parse(line: &str) -> Option<(usize, String, Value)> {
    let mut fields = line.split('|');
    let (package, licence) = (fields.next()?, fields.next()?);
    // The mark of a repeated crate is at the end of the line.
    let repository = fields.next()?.trim_end_matches(" (*)");
    let digits = package.bytes().take_while(u8::is_ascii_digit).count();
    let depth = package[..digits].parse().ok()?;
    let mut words = package[digits..].split(' ');
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    let url = url(name, version);
    let mut component = json!({
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
    });
    if !licence.is_empty() {
        // The old form of an SPDX expression has a slash instead of OR.
        let expression = licence.replace('/', " OR ");
        component["licenses"] = json!([{"expression": expression}]);
    }
    if !repository.is_empty() {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    Some((depth, url, component))
}

/// Returns the package URL, which is also the identifier in the document.
fn url(name: &str, version: &str) -> String {
    // A plus sign begins the build metadata of a version, but is a space in a URL.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0tcp-echo-metrics v1.0.0 (/somewhere/app)|MIT|
1a v0.1.0|MIT/Apache-2.0|https://example.com/a
2c v2.0.0+3 (proc-macro)|MIT|
1b v0.2.0|MIT|https://example.com/b
2a v0.1.0|MIT/Apache-2.0|https://example.com/a (*)
";
    const OTHER: &str = "0tcp-echo-metrics v1.0.0 (/somewhere/app)|MIT|\n1windows v0.5.0|MIT|\n";

    #[test]
    fn trees_are_merged() {
        let mut crates = Crates::default();
        for tree in [TREE, OTHER] {
            crates.add(tree).unwrap();
        }
        let text = crates.document(OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(!text.contains("/somewhere"), "{text}");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["metadata"]["component"]["type"], "application");
        let components = document["components"].as_array().unwrap();
        let urls: Vec<_> = components.iter().map(|one| &one["purl"]).collect();
        let [a, b, c, windows] = ["a@0.1.0", "b@0.2.0", "c@2.0.0%2B3", "windows@0.5.0"]
            .map(|name| format!("pkg:cargo/{name}"));
        assert_eq!(urls, [&a, &b, &c, &windows]);
        assert_eq!(
            components[0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        let repository = &components[0]["externalReferences"][0]["url"];
        assert_eq!(repository, "https://example.com/a");
        assert!(components[2]["externalReferences"].is_null());
        let app = "pkg:cargo/tcp-echo-metrics@1.0.0";
        let expected = json!([
            {"ref": a, "dependsOn": [c]},
            {"ref": b, "dependsOn": [a]},
            {"ref": c, "dependsOn": []},
            {"ref": app, "dependsOn": [a, b, windows]},
            {"ref": windows, "dependsOn": []},
        ]);
        assert_eq!(document["dependencies"], expected);
    }
}
