//! Parses `cargo metadata` of the workspace.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell::{cargo, output};

/// A package of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    /// The folder of its Cargo.toml.
    pub(super) folder: PathBuf,
    /// The names of its normal dependencies on all platforms.
    pub(super) dependencies: Vec<String>,
    pub(super) targets: Vec<Target>,
}

/// A library, a binary, an example, a bench …
pub(super) struct Target {
    pub(super) name: String,
    pub(super) kind: String,
}

impl Package {
    /// Returns whether it is one of the project's crates, not a tool, benchmark or example.
    pub(super) fn is_crate(&self) -> bool {
        self.folder
            .parent()
            .is_some_and(|parent| parent.ends_with("crates"))
    }

    pub(super) fn targets(&self, kind: &str) -> impl Iterator<Item = &Target> {
        self.targets
            .iter()
            .filter(move |target| target.kind == kind)
    }
}

/// Returns all packages of the workspace.
pub(super) fn packages() -> Result<Vec<Package>> {
    let text = output(&mut cargo(&[
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--locked",
    ]))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(text)?;
    list(&metadata["packages"]).map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let mut folder = PathBuf::from(string(&value["manifest_path"])?);
    folder.pop();
    Ok(Package {
        name: string(&value["name"])?,
        folder,
        dependencies: list(&value["dependencies"])
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| string(&dependency["name"]))
            .collect::<Result<_>>()?,
        targets: list(&value["targets"]).map(target).collect::<Result<_>>()?,
    })
}

fn target(value: &Value) -> Result<Target> {
    Ok(Target {
        name: string(&value["name"])?,
        kind: string(&value["kind"][0])?,
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> Result<String> {
    let text = value.as_str().context("cargo metadata: missing string")?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_normal_dependencies_are_listed() {
        let packages = parse(
            r#"{"packages": [{
                "name": "a", "manifest_path": "/w/crates/a/Cargo.toml",
                "dependencies": [
                    {"name": "b", "kind": null, "target": "cfg(unix)"},
                    {"name": "c", "kind": "dev"},
                    {"name": "d", "kind": "build"}
                ],
                "targets": [{"name": "a", "kind": ["lib"], "src_path": "/w/crates/a/src/lib.rs"}]
            }]}"#,
        )
        .unwrap();
        assert_eq!(packages[0].dependencies, ["b"]);
        assert!(packages[0].is_crate());
    }
}
