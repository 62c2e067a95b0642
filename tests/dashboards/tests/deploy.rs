//! Checks that what is in `deploy/` has the rules, the dashboards and the version of the program.

use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use tcp_echo_dashboards::{boards, root, rule_files, text};

/// The component of kustomize with the rules. Helm reads them from where they are.
const RULES: &str = "deploy/kubernetes/components/prometheus-rule";

/// kustomize can't make a resource of another file, so its component has copies.
#[test]
fn rules_are_copies() -> Result<()> {
    for file in rule_files()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let kind = name.trim_end_matches(".rules.yml");
        let copy = format!("{RULES}/{kind}.yaml");
        let expected = resource(kind, &fs::read_to_string(&file)?);
        if env::var("INSTA_UPDATE").is_ok_and(|value| value == "always") {
            fs::write(root().join(&copy), &expected)?;
        }
        ensure!(
            text(&copy)? == expected,
            "{copy} differs from {name}: run INSTA_UPDATE=always cargo test -p tcp-echo-dashboards"
        );
        let listed = format!("\n  - {kind}.yaml\n");
        let list = text(&format!("{RULES}/kustomization.yaml"))?;
        ensure!(list.contains(&listed), "{kind}.yaml is not in {RULES}");
    }
    Ok(())
}

/// Returns a `PrometheusRule` with these rules.
fn resource(kind: &str, rules: &str) -> String {
    let indented = rules.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    format!(
        "# A copy of dashboards/prometheus/{kind}.rules.yml, made by
#   INSTA_UPDATE=always cargo test -p tcp-echo-dashboards
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tcp-echo-metrics-{kind}
  labels:
    app.kubernetes.io/name: tcp-echo-metrics
spec:
{}",
        indented.collect::<String>()
    )
}

#[test]
fn every_dashboard_is_in_the_kustomization() -> Result<()> {
    let kustomization = text("dashboards/grafana/kustomization.yaml")?;
    for (file, _) in boards()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        ensure!(
            kustomization.contains(&format!("[{name}]")),
            "{name} is not in its kustomization.yaml"
        );
    }
    Ok(())
}

#[test]
fn versions_are_those_of_the_program() -> Result<()> {
    let manifest = text("Cargo.toml")?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .context("Cargo.toml has no version")?
        .trim_matches('"');
    let image = format!("tcp-echo-metrics:{version}");
    for (file, line) in [
        ("kubernetes/chart/Chart.yaml", format!("version: {version}")),
        (
            "kubernetes/chart/Chart.yaml",
            format!("appVersion: {version}"),
        ),
        (
            "kubernetes/base/daemonset.yaml",
            format!("image: localhost/{image}"),
        ),
        (
            "compose/compose.yaml",
            format!("image: ${{TCP_ECHO_IMAGE:-{image}}}"),
        ),
    ] {
        let file = format!("deploy/{file}");
        let found = text(&file)?.lines().any(|found| found.trim() == line);
        ensure!(found, "{file} has no line {line:?}");
    }
    Ok(())
}
