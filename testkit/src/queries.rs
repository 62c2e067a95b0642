//! The queries of dashboards and of the documentation.

use anyhow::{Result, bail};
use serde_json::Value;

/// A query, and where it is.
#[derive(Debug, PartialEq)]
pub struct Query {
    /// The dashboard and panel, or the heading.
    pub place: String,
    /// The query.
    pub expr: String,
}

/// The queries of a dashboard: those of panels, annotations and variables. Most have
/// variables in them.
pub fn of_board(board: &Value) -> Vec<Query> {
    let title = board["title"].as_str().unwrap_or_default();
    let mut queries = Vec::new();
    let mut add = |what: &Value, expr: &Value| {
        let what = what.as_str().unwrap_or_default();
        let expr = expr.as_str().unwrap_or_default();
        queries.push(Query {
            place: format!("{title}: {what}"),
            expr: expr.to_owned(),
        });
    };
    for panel in list(&board["panels"]) {
        for target in list(&panel["targets"]) {
            add(&panel["title"], &target["expr"]);
        }
    }
    for annotation in list(&board["annotations"]["list"]) {
        add(&annotation["name"], &annotation["expr"]);
    }
    for variable in list(&board["templating"]["list"]) {
        let query = variable["definition"].as_str().unwrap_or_default();
        if let Some((series, _)) = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.rsplit_once(", "))
        {
            add(&variable["label"], &series.into());
        }
    }
    queries
}

/// The fenced blocks marked `promql` of a Markdown text.
///
/// # Errors
///
/// If a block is empty, or has no end.
pub fn of_markdown(text: &str) -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    let mut heading = "";
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            Some(expr) if line == "```" => {
                let expr = expr.trim().to_owned();
                if expr.is_empty() {
                    bail!("an empty block under {heading:?}");
                }
                let place = heading.to_owned();
                queries.push(Query { place, expr });
                block = None;
            }
            Some(expr) => {
                expr.push_str(line);
                expr.push('\n');
            }
            None if line == "```promql" => block = Some(String::new()),
            None => {
                heading = line
                    .strip_prefix('#')
                    .map_or(heading, |rest| rest.trim_start_matches(['#', ' ']));
            }
        }
    }
    if block.is_some() {
        bail!("a block without an end under {heading:?}");
    }
    Ok(queries)
}

/// The names of the variables in a text, without the formats behind a colon.
pub fn variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for rest in text.split('$').skip(1) {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        names.push(&rest[..end]);
    }
    names
}

/// The names of this program's metrics in a query, without the suffixes of histograms.
pub fn metrics(expr: &str) -> Vec<&str> {
    expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        .filter(|word| word.starts_with("tcp_echo_") || word.starts_with("process_"))
        .map(|word| {
            ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| word.strip_suffix(part))
                .unwrap_or(word)
        })
        .collect()
}

/// The elements of an array; none of anything else.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::{metrics, of_markdown, variables};

    #[test]
    fn blocks_are_found_under_their_headings() {
        let text = "# A\n## B\n```promql\nup\n  + 1\n```\n```sh\nls\n```\n```promql\ndown\n```\n";
        let queries = of_markdown(text).unwrap();
        assert_eq!(queries.len(), 2);
        assert_eq!((&*queries[0].place, &*queries[0].expr), ("B", "up\n  + 1"));
        assert_eq!(queries[1].expr, "down");
        assert!(of_markdown("```promql\nup").is_err());
        assert!(of_markdown("```promql\n\n```").is_err());
    }

    #[test]
    fn variables_are_found() {
        let expr = "rate(${rtt}{job=~\"$job\"}[$__rate_interval])";
        assert_eq!(variables(expr), ["rtt", "job", "__rate_interval"]);
        assert_eq!(variables("/d/x?${a:queryparam}&b=${c.d}"), ["a", "c"]);
    }

    #[test]
    fn metrics_are_found() {
        let expr = "sum(rate(tcp_echo_rtt_seconds_bucket[5m])) / up{job=\"tcp-echo\"} + process_x";
        assert_eq!(metrics(expr), ["tcp_echo_rtt_seconds", "process_x"]);
        assert!(metrics("target:tcp_echo_loss:ratio_rate5m").is_empty());
    }
}
