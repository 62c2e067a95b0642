//! Whether the program has the metrics that are named.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use super::queries::{Query, list, metrics, of_board, of_markdown};
use super::{boards, rules};
use crate::shell::root;

/// All that the exporter's own tests have it write.
const SNAPSHOT: &str = "crates/tcp-echo-exporter/tests/snapshots/exposition__text.snap";
pub(crate) const DOCUMENTED: &str = "docs/queries.md";

/// Every metric of ours that dashboards, rules and documentation name is one that
/// the exporter writes.
pub(super) fn check() -> Result<()> {
    let snapshot = fs::read_to_string(root().join(SNAPSHOT)).context(SNAPSHOT)?;
    let known = known(&snapshot);
    ensure!(!known.is_empty(), "{SNAPSHOT} has no metrics");
    let mut queries: Vec<Query> = boards()
        .iter()
        .flat_map(|(_, board)| of_board(board))
        .collect();
    let documented = fs::read_to_string(root().join(DOCUMENTED)).context(DOCUMENTED)?;
    queries.extend(of_markdown(&documented)?);
    for file in rules::parsed(rules::files()?)? {
        for rule in list(&file["groups"]).flat_map(|group| list(&group["rules"])) {
            let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
            queries.push(Query {
                place: text("alert") + &text("record"),
                expr: text("expr"),
            });
        }
    }
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

/// Those of the process are not in the snapshot: they differ from run to run.
fn unknown<'a>(expr: &'a str, known: &BTreeSet<&str>) -> Option<&'a str> {
    metrics(expr)
        .into_iter()
        .find(|name| name.starts_with("tcp_echo_") && !known.contains(name))
}

#[cfg(test)]
mod tests {
    use super::{known, unknown};

    #[test]
    fn a_metric_that_is_not_written_is_found() {
        let known = known("# HELP tcp_echo_a x\n# TYPE tcp_echo_a histogram\ntcp_echo_a_sum 1\n");
        assert_eq!(
            unknown("rate(tcp_echo_a_bucket[5m]) + process_b", &known),
            None
        );
        assert_eq!(unknown("up / tcp_echo_c", &known), Some("tcp_echo_c"));
    }
}
