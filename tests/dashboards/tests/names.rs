//! Checks that the exporter writes every metric that dashboards, rules and documentation name.

use std::collections::BTreeSet;

use anyhow::{Result, bail, ensure};
use tcp_echo_dashboards::{
    DOCUMENTED, Query, boards, metrics, of_board, of_markdown, rule_files, rules, text, yaml,
};

/// What the exporter's own tests have it write.
const SNAPSHOT: &str = "crates/tcp-echo-exporter/tests/snapshots/exposition__text.snap";

#[test]
fn metrics_exist() -> Result<()> {
    let snapshot = text(SNAPSHOT)?;
    let known = known(&snapshot);
    ensure!(!known.is_empty(), "{SNAPSHOT} has no metrics");
    let mut queries = of_markdown(&text(DOCUMENTED)?)?;
    for (_, board) in boards()? {
        queries.extend(of_board(&board));
    }
    let files = yaml(rule_files()?)?;
    queries.extend(rules(&files).map(|rule| {
        let field = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        Query {
            place: field("alert") + &field("record"),
            expr: field("expr"),
        }
    }));
    for Query { place, expr } in &queries {
        if let Some(name) = unknown(expr, &known) {
            bail!("{place}: there is no metric {name}");
        }
    }
    Ok(())
}

fn known(exposition: &str) -> BTreeSet<&str> {
    exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

/// Returns a metric of the exporter that the snapshot does not have. The snapshot leaves
/// `process_*` out, since these differ from run to run.
fn unknown<'a>(expr: &'a str, known: &BTreeSet<&str>) -> Option<&'a str> {
    metrics(expr)
        .into_iter()
        .find(|name| name.starts_with("tcp_echo_") && !known.contains(name))
}

#[test]
fn unknown_metrics_are_found() {
    let known = known("# HELP tcp_echo_a x\n# TYPE tcp_echo_a histogram\ntcp_echo_a_sum 1\n");
    assert_eq!(
        unknown("rate(tcp_echo_a_bucket[5m]) + process_b", &known),
        None
    );
    assert_eq!(unknown("up / tcp_echo_c", &known), Some("tcp_echo_c"));
}
