//! Checks the alerts for what `promtool` does not look at: severity, annotations, a runbook, and
//! tests of both sides.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tcp_echo_dashboards::{list, rule_files, rule_tests, rules, text, yaml};

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];
/// The runbooks: one heading for each alert.
const RUNBOOKS: &str = "docs/alerts.md";

#[test]
fn alerts_are_complete() -> Result<()> {
    let runbooks = text(RUNBOOKS)?;
    let tests = yaml(rule_tests()?)?;
    let files = yaml(rule_files()?)?;
    let mut names = BTreeSet::new();
    for alert in rules(&files).filter(|rule| rule["alert"].is_string()) {
        let name = alert["alert"].as_str().unwrap_or_default();
        complete(alert, &runbooks).with_context(|| name.to_owned())?;
        tested(name, &tests).with_context(|| name.to_owned())?;
        names.insert(name);
    }
    ensure!(!names.is_empty(), "no alerts");
    for heading in runbooks.lines().filter_map(|line| line.strip_prefix("## ")) {
        ensure!(
            names.contains(heading),
            "{RUNBOOKS}: there is no alert {heading}"
        );
    }
    Ok(())
}

/// An alert has a severity, a summary, a description and a runbook.
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

/// An alert has a test in which it fires, and one in which it does not.
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

fn alert() -> Value {
    json!({
        "alert": "AbC", "expr": "up == 0", "labels": {"severity": "info"},
        "annotations": {
            "summary": "s", "description": "d", "runbook_url": "https://x/docs/alerts.md#abc",
        },
    })
}

#[test]
fn incomplete_alerts_are_found() {
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
fn untested_alerts_are_found() {
    let case = |name: &str, expected: Value| json!({"alertname": name, "exp_alerts": expected});
    let tests = |cases: Vec<Value>| [json!({"tests": [{"alert_rule_test": cases}]})];
    let fires = case("A", json!([{}]));
    let silent = case("A", json!([]));
    assert!(tested("A", &tests(vec![fires.clone(), silent.clone()])).is_ok());
    assert!(tested("A", &tests(vec![fires.clone(), case("B", json!([]))])).is_err());
    assert!(tested("A", &tests(vec![silent])).is_err());
}
