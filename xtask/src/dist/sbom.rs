//! A software bill of materials of the binaries, as a `CycloneDX` document.
//!
//! It uses `cargo tree`, which resolves the enabled features; `cargo metadata` resolves those of the
//! whole workspace, including tests.
//!
//! <https://cyclonedx.org/docs/1.6/json/>

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::shell::{cargo, output};

/// A version of a crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
}

impl Crate {
    /// Returns the package URL, which is also the identifier in the document.
    fn url(&self) -> String {
        // A plus sign begins the build metadata of a version, but is a space in a URL.
        let version = self.version.replace('+', "%2B");
        format!("pkg:cargo/{}@{version}", self.name)
    }
}

#[derive(Default)]
struct Found {
    licence: String,
    repository: String,
    dependencies: BTreeSet<Crate>,
}

/// The crates in the binaries for some targets, and their dependencies.
#[derive(Default)]
pub(super) struct Sbom {
    root: Option<Crate>,
    crates: BTreeMap<Crate, Found>,
    checksums: BTreeMap<Crate, String>,
}

impl Sbom {
    /// Runs `cargo tree`.
    pub(super) fn of(package: &str, targets: &[&str], lock: &str) -> Result<Self> {
        let mut sbom = Self {
            checksums: checksums(lock),
            ..Self::default()
        };
        for target in targets {
            let tree = output(&mut cargo(&[
                "tree",
                "--locked",
                "--package",
                package,
                "--edges=normal",
                "--target",
                target,
                "--prefix=depth",
                "--format={p}|{l}|{r}",
            ]))?;
            sbom.add(&tree)?;
        }
        Ok(sbom)
    }

    /// Adds a tree, in which each line begins with its depth. The dependencies of a crate are listed only
    /// at its first occurrence.
    fn add(&mut self, tree: &str) -> Result<()> {
        let mut above: Vec<Crate> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, id, licence, repository) =
                parse(line).with_context(|| format!("unexpected line of cargo tree: {line:?}"))?;
            if depth > above.len() {
                bail!("cargo tree skips a level before {line:?}");
            }
            above.truncate(depth);
            if let Some(parent) = above.last() {
                let parent = self.crates.entry(parent.clone()).or_default();
                parent.dependencies.insert(id.clone());
            } else {
                self.root = Some(id.clone());
            }
            let found = self.crates.entry(id.clone()).or_default();
            licence.clone_into(&mut found.licence);
            repository.clone_into(&mut found.repository);
            above.push(id);
        }
        Ok(())
    }

    /// Returns the document.
    pub(super) fn document(&self, time: OffsetDateTime) -> Result<String> {
        let root = self.root.as_ref().context("cargo tree has no output")?;
        let (mut components, mut dependencies) = (Vec::new(), Vec::new());
        for (id, found) in &self.crates {
            let uses: Vec<_> = found.dependencies.iter().map(Crate::url).collect();
            dependencies.push(json!({"ref": id.url(), "dependsOn": uses}));
            if id != root {
                components.push(self.component(id, "library"));
            }
        }
        let document = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": time.format(&Rfc3339)?,
                "tools": {"components": [{"type": "application", "name": "cargo xtask dist"}]},
                "component": self.component(root, "application"),
            },
            "components": components,
            "dependencies": dependencies,
        });
        Ok(format!("{document:#}\n"))
    }

    fn component(&self, id: &Crate, kind: &str) -> Value {
        let mut component = json!({
            "type": kind,
            "bom-ref": id.url(),
            "name": id.name,
            "version": id.version,
            "purl": id.url(),
        });
        let found = self.crates.get(id);
        let text = |text: fn(&Found) -> &String| found.map(text).filter(|text| !text.is_empty());
        if let Some(licence) = text(|found| &found.licence) {
            // The old form of an SPDX expression has a slash instead of OR.
            let expression = licence.replace('/', " OR ");
            component["licenses"] = json!([{"expression": expression}]);
        }
        if let Some(repository) = text(|found| &found.repository) {
            component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
        }
        if let Some(checksum) = self.checksums.get(id) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        component
    }
}

/// Parses a line such as `2clap v4.6.9 (proc-macro) (*)|MIT OR Apache-2.0|https://…`.
fn parse(line: &str) -> Option<(usize, Crate, &str, &str)> {
    let mut fields = line.split('|');
    let package = fields.next()?;
    let licence = fields.next()?;
    // The mark of a repeated crate is at the end of the line.
    let repository = fields.next()?.trim_end_matches(" (*)");
    let digits = package.bytes().take_while(u8::is_ascii_digit).count();
    let depth = package[..digits].parse().ok()?;
    let mut words = package[digits..].split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth, Crate { name, version }, licence, repository))
}

/// Returns the checksums of the registry packages in `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<Crate, String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| {
                Some(
                    line.strip_prefix(name)?
                        .strip_prefix(" = \"")?
                        .trim_end_matches('"'),
                )
            })
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
        {
            let (name, version) = (name.to_owned(), version.to_owned());
            found.insert(Crate { name, version }, checksum.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0app v1.0.0 (/somewhere/app)|MIT|
1a v0.1.0|MIT/Apache-2.0|https://example.com/a
2c v2.0.0+3 (proc-macro)|MIT|
1b v0.2.0|MIT|https://example.com/b
2a v0.1.0|MIT/Apache-2.0|https://example.com/a (*)
";

    const LOCK: &str = "\
[[package]]
name = \"a\"
version = \"0.1.0\"
source = \"registry\"
checksum = \"12ab\"
dependencies = [
 \"c\",
]

[[package]]
name = \"app\"
version = \"1.0.0\"
";

    fn document(trees: &[&str]) -> Value {
        let mut sbom = Sbom {
            checksums: checksums(LOCK),
            ..Sbom::default()
        };
        for tree in trees {
            sbom.add(tree).unwrap();
        }
        let text = sbom.document(OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(!text.contains("/somewhere"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn crates_and_dependencies() {
        let document = document(&[TREE]);
        assert_eq!(document["metadata"]["component"]["name"], "app");
        let components = document["components"].as_array().unwrap();
        let urls: Vec<_> = components.iter().map(|one| one["purl"].clone()).collect();
        assert_eq!(
            urls,
            [
                "pkg:cargo/a@0.1.0",
                "pkg:cargo/b@0.2.0",
                "pkg:cargo/c@2.0.0%2B3"
            ]
        );
        assert_eq!(
            components[0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(components[0]["hashes"][0]["content"], "12ab");
        assert_eq!(
            components[0]["externalReferences"][0]["url"],
            "https://example.com/a"
        );
        assert!(components[2]["externalReferences"].is_null());
        let uses = |name: &str| {
            let arrows = document["dependencies"].as_array().unwrap();
            arrows.iter().find(|one| one["ref"] == name).unwrap()["dependsOn"].clone()
        };
        assert_eq!(uses("pkg:cargo/a@0.1.0"), json!(["pkg:cargo/c@2.0.0%2B3"]));
        assert_eq!(uses("pkg:cargo/b@0.2.0"), json!(["pkg:cargo/a@0.1.0"]));
    }

    #[test]
    fn targets_are_merged() {
        let other = "0app v1.0.0 (/somewhere/app)|MIT|\n1windows v0.5.0|MIT|\n";
        let document = document(&[TREE, other]);
        assert_eq!(document["components"].as_array().unwrap().len(), 4);
        let app = &document["dependencies"][1];
        assert_eq!(app["ref"], "pkg:cargo/app@1.0.0");
        assert_eq!(app["dependsOn"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn invalid_trees_are_rejected() {
        for tree in ["0app|MIT|", "app v1|MIT|", "0app v1", "1app v1|MIT|"] {
            assert!(Sbom::default().add(tree).is_err(), "{tree}");
        }
    }
}
