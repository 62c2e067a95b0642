//! Prometheus's rules: their own tests, and what `promtool` does not look at.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::queries::list;
use crate::report::skip;
use crate::shell::{SHORT, has, program, root, run};

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];
/// The runbooks, one heading an alert.
const RUNBOOKS: &str = "docs/alerts.md";

/// The files of rules.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    yaml_files("dashboards/prometheus")
}

/// Alerts are complete, have a runbook and are tested; `promtool` finds no fault.
pub(crate) fn check() -> Result<()> {
    let runbooks = fs::read_to_string(root().join(RUNBOOKS)).context(RUNBOOKS)?;
    let tests = parsed(yaml_files("dashboards/prometheus/tests")?)?;
    let alerts = alerts(&parsed(files()?)?);
    ensure!(!alerts.is_empty(), "no alerts");
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap_or_default();
        complete(alert, &runbooks).with_context(|| name.to_owned())?;
        tested(name, &tests).with_context(|| name.to_owned())?;
    }
    let names: BTreeSet<&str> = alerts
        .iter()
        .filter_map(|alert| alert["alert"].as_str())
        .collect();
    for heading in runbooks.lines().filter_map(|line| line.strip_prefix("## ")) {
        ensure!(
            names.contains(heading),
            "{RUNBOOKS}: there is no alert {heading}"
        );
    }
    promtool()
}

fn promtool() -> Result<()> {
    if !has("promtool") {
        return skip("promtool is missing (Debian package prometheus)");
    }
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        files
            .iter()
            .map(|file| file.display().to_string())
            .collect()
    };
    let with = |verbs: [&str; 2], files: Vec<String>| {
        let mut command = program("promtool", &verbs);
        run(command.args(files), SHORT)
    };
    with(["check", "rules"], names(files()?))?;
    with(
        ["check", "config"],
        vec!["dashboards/provisioning/prometheus.yml".to_owned()],
    )?;
    with(
        ["test", "rules"],
        names(yaml_files("dashboards/prometheus/tests")?),
    )
}

/// It says how bad it is, what is wrong, and where to read on.
fn complete(alert: &Value, runbooks: &str) -> Result<()> {
    let name = alert["alert"].as_str().unwrap_or_default();
    let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
    ensure!(
        SEVERITIES.contains(&severity),
        "its severity is {severity:?}"
    );
    for key in ["summary", "description"] {
        let text = alert["annotations"][key].as_str().unwrap_or_default();
        ensure!(!text.is_empty(), "no {key}");
    }
    let runbook = alert["annotations"]["runbook_url"]
        .as_str()
        .unwrap_or_default();
    let expected = format!("{RUNBOOKS}#{}", name.to_lowercase());
    ensure!(
        runbook.ends_with(&expected),
        "its runbook is {runbook:?}, not {expected:?}"
    );
    let heading = format!("## {name}");
    ensure!(
        runbooks.lines().any(|line| line == heading),
        "no heading in {RUNBOOKS}"
    );
    Ok(())
}

/// It is seen to fire, and seen to stay silent.
fn tested(name: &str, tests: &[Value]) -> Result<()> {
    let (mut fires, mut silent) = (false, false);
    for test in tests.iter().flat_map(|file| list(&file["tests"])) {
        for case in list(&test["alert_rule_test"]).filter(|case| case["alertname"] == name) {
            let expected = list(&case["exp_alerts"]).count();
            fires |= expected > 0;
            silent |= expected == 0;
        }
    }
    ensure!(fires, "no test in which it fires");
    ensure!(silent, "no test in which it stays silent");
    Ok(())
}

fn alerts(files: &[Value]) -> Vec<Value> {
    files
        .iter()
        .flat_map(|file| list(&file["groups"]))
        .flat_map(|group| list(&group["rules"]))
        .filter(|rule| rule["alert"].is_string())
        .cloned()
        .collect()
}

/// Files of a folder that hold YAML, in the order of their names.
pub(super) fn yaml_files(folder: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).with_context(|| folder.to_owned())? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "yml") {
            files.push(file);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{folder} has no YAML");
    Ok(files)
}

pub(super) fn parsed(files: Vec<PathBuf>) -> Result<Vec<Value>> {
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file)?;
            serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{complete, tested};
    use serde_json::{Value, json};

    fn alert() -> Value {
        json!({
            "alert": "AbC", "expr": "up == 0", "labels": {"severity": "info"},
            "annotations": {
                "summary": "s", "description": "d", "runbook_url": "https://x/docs/alerts.md#abc",
            },
        })
    }

    #[test]
    fn an_alert_lacks_nothing() {
        assert!(complete(&alert(), "## AbC\n").is_ok());
        assert!(complete(&alert(), "## Abc\n").is_err());
        for at in [
            "/labels/severity",
            "/annotations/summary",
            "/annotations/runbook_url",
        ] {
            let mut alert = alert();
            *alert.pointer_mut(at).unwrap() = json!("");
            assert!(complete(&alert, "## AbC\n").is_err(), "{at}");
        }
    }

    #[test]
    fn both_sides_are_tested() {
        let case = |name: &str, expected: Value| json!({"alertname": name, "exp_alerts": expected});
        let tests = |cases: Vec<Value>| [json!({"tests": [{"alert_rule_test": cases}]})];
        let fires = case("A", json!([{}]));
        let silent = case("A", json!([]));
        assert!(tested("A", &tests(vec![fires.clone(), silent.clone()])).is_ok());
        assert!(tested("A", &tests(vec![fires.clone(), case("B", json!([]))])).is_err());
        assert!(tested("A", &tests(vec![silent])).is_err());
    }
}
