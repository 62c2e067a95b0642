//! Reads what the project gives to Grafana and Prometheus: dashboards, rules and documented
//! queries.
//!
//! The tests of this package check these files as they are. The end-to-end tests run each query
//! against a real Prometheus.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

mod queries;

pub use queries::{Query, list, metrics, of_board, of_markdown, variables};

/// The Markdown file whose `promql` blocks are documented queries.
pub const DOCUMENTED: &str = "docs/queries.md";

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a file of the repository.
///
/// # Errors
///
/// Fails if the file can't be read; the error names it.
pub fn text(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| file.to_owned())
}

/// Reads the dashboards, each with its file.
///
/// # Errors
///
/// Fails if there is none, or if one is not JSON.
pub fn boards() -> Result<Vec<(PathBuf, Value)>> {
    let parse = |file: PathBuf| {
        let text = fs::read_to_string(&file)?;
        let board = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        Ok((file, board))
    };
    files("dashboards/grafana", "json")?
        .into_iter()
        .map(parse)
        .collect()
}

/// Lists the files of recording rules and alerts.
///
/// # Errors
///
/// Fails if there is none.
pub fn rule_files() -> Result<Vec<PathBuf>> {
    files("dashboards/prometheus", "yml")
}

/// Lists the files of the rules' own tests, which `promtool test rules` runs.
///
/// # Errors
///
/// Fails if there is none.
pub fn rule_tests() -> Result<Vec<PathBuf>> {
    files("dashboards/prometheus/tests", "yml")
}

/// Parses files of YAML.
///
/// # Errors
///
/// Fails at the first that can't be read or parsed; the error names it.
pub fn yaml(files: Vec<PathBuf>) -> Result<Vec<Value>> {
    let parse = |file: PathBuf| {
        let text = fs::read_to_string(&file)?;
        serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
    };
    files.into_iter().map(parse).collect()
}

/// Lists the rules of parsed files.
pub fn rules(files: &[Value]) -> impl Iterator<Item = &Value> {
    files
        .iter()
        .flat_map(|file| list(&file["groups"]))
        .flat_map(|group| list(&group["rules"]))
}

/// Lists the files of a folder that have this extension, by name.
fn files(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())? {
        let file = entry?.path();
        if file.extension().is_some_and(|found| found == extension) {
            files.push(file);
        }
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "{folder} has no file that ends in .{extension}"
    );
    Ok(files)
}
