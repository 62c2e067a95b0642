//! Checks the table in docs/scaling.md of what the flag `-series` takes away from dashboards, rules
//! and alerts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tcp_echo_dashboards::{boards, list, rule_files, rules, text, yaml};

const DOCUMENT: &str = "docs/scaling.md";

/// The line above the rows of the table.
const HEAD: &str = "| panel, rule or alert | `standard` | `minimal` |\n|---|---|---|\n";

/// What the exporter's own tests have it write.
const ALL: &str = "crates/tcp-echo-exporter/tests/snapshots/exposition__text.snap";
const STANDARD: &str = "crates/tcp-echo-exporter/tests/snapshots/exposition__the_standard_set.snap";
const MINIMAL: &str = "crates/tcp-echo-exporter/tests/snapshots/exposition__the_minimal_set.snap";

/// The labels by name of sample, or of recorded series.
type Samples = BTreeMap<String, BTreeSet<String>>;

/// What is left of a panel, rule or alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Whole,
    /// The sum, but not by reason or cause.
    Sum,
    /// Only with native histograms, which are scraped as protobuf.
    Native,
    Part,
    Nothing,
}

impl Left {
    const fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Sum => "sum",
            Self::Native => "native",
            Self::Part => "part",
            Self::Nothing => "none",
        }
    }

    /// Returns what is left of queries that are shown together.
    fn together(all: impl IntoIterator<Item = Self>) -> Self {
        let mut all = all.into_iter();
        let first = all.next().unwrap_or(Self::Whole);
        if all.all(|other| other == first) {
            first
        } else {
            Self::Part
        }
    }
}

/// The series that a set has, and those that all sets have once for the process.
struct Set<'a> {
    own: Samples,
    all: &'a Samples,
    /// What is left of recorded series.
    recorded: BTreeMap<String, Left>,
}

impl<'a> Set<'a> {
    fn new(snapshot: &str, all: &'a Samples) -> Self {
        let mut own = samples(snapshot);
        for (name, labels) in all.iter().filter(|(_, labels)| !labels.contains("target")) {
            own.insert(name.clone(), labels.clone());
        }
        Self {
            own,
            all,
            recorded: BTreeMap::new(),
        }
    }

    /// Returns what is left of a query. Alternatives (`or`), and what only restricts (`unless`), are
    /// taken for themselves.
    fn left(&self, expr: &str) -> Left {
        let parts = expr.split(" unless ").flat_map(|part| part.split(" or "));
        let of_part = |part| {
            let mut left = Left::Whole;
            for selector in selectors(part) {
                match (self.of_selector(&selector, part), left) {
                    (Left::Nothing, _) => return Left::Nothing,
                    (Left::Whole, _) => {}
                    (other, Left::Whole) => left = other,
                    (other, before) if other == before => {}
                    _ => left = Left::Part,
                }
            }
            left
        };
        Left::together(parts.map(of_part))
    }

    fn of_selector(&self, selector: &Selector<'_>, expr: &str) -> Left {
        if selector.name.contains(':') {
            let left = self.recorded.get(selector.name);
            return left.copied().unwrap_or(Left::Nothing);
        }
        let Some(labels) = self.own.get(selector.name) else {
            return Left::Nothing;
        };
        let whole = self.all.get(selector.name);
        let is_missing = |label: &str| {
            !labels.contains(label) && whole.is_some_and(|whole| whole.contains(label))
        };
        if selector.wanted.iter().any(|label| is_missing(label)) {
            return Left::Nothing;
        }
        let by = grouping(expr);
        if by.contains("target") && is_missing("target") {
            Left::Nothing
        } else if ["reason", "cause"]
            .iter()
            .any(|of| by.contains(of) && is_missing(of))
        {
            Left::Sum
        } else {
            Left::Whole
        }
    }

    /// Returns what is left of a panel's query, which may use either kind of histogram.
    fn left_of_panel(&self, expr: &str) -> Left {
        let classic = self.left(&expr.replace("${rtt}", "tcp_echo_rtt_seconds_bucket"));
        if classic == Left::Nothing && expr.contains("${rtt}") {
            return Left::Native;
        }
        classic
    }
}

/// A selector of series: the name, and the labels that have to be there.
#[derive(Debug, PartialEq)]
struct Selector<'a> {
    name: &'a str,
    wanted: Vec<&'a str>,
}

/// Lists the selectors of this program's series in a query.
fn selectors(expr: &str) -> Vec<Selector<'_>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expr;
    while let Some(start) = rest.find(is_name) {
        let (word, after) = {
            let word = &rest[start..];
            word.split_at(word.find(|c| !is_name(c)).unwrap_or(word.len()))
        };
        rest = after;
        let matchers = after.strip_prefix('{').and_then(|m| m.split_once('}'));
        if let Some((_, after)) = matchers {
            rest = after;
        }
        if !word.contains("tcp_echo") {
            continue;
        }
        let matchers = matchers.map_or("", |(matchers, _)| matchers).split(',');
        let wanted = matchers.filter_map(|matcher| {
            let (label, value) = matcher.trim().split_once('=')?;
            // What must not be some value may be missing.
            let is_negative = label.ends_with('!') || value.is_empty();
            (!is_negative).then_some(label)
        });
        found.push(Selector {
            name: word,
            wanted: wanted.collect(),
        });
    }
    found
}

/// Returns all labels that a query groups by.
fn grouping(expr: &str) -> BTreeSet<&str> {
    let groups = expr.split("by (").skip(1);
    let groups = groups.filter_map(|rest| Some(rest.split_once(')')?.0));
    groups.flat_map(|group| group.split(", ")).collect()
}

fn samples(snapshot: &str) -> Samples {
    let mut samples = Samples::new();
    // What has no series yet is known by its type, which a histogram's series are not named as.
    let types = snapshot
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        if kind != "histogram" {
            samples.entry(name.to_owned()).or_default();
        }
    }
    for line in snapshot.lines().filter(|line| line.starts_with("tcp_echo")) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
        let labels = rest
            .split(['{', ','])
            .filter_map(|label| label.split_once("=\""));
        let labels = labels.map(|(label, _)| label.to_owned());
        samples.entry(name.to_owned()).or_default().extend(labels);
    }
    samples
}

/// Returns the rows of the table: everything of which one of the sets leaves less than the whole.
fn rows() -> Result<String> {
    let all = samples(&text(ALL)?);
    let mut sets = [
        Set::new(&text(STANDARD)?, &all),
        Set::new(&text(MINIMAL)?, &all),
    ];
    let mut rows = Vec::new();
    let mut add = |what: String, left: [Left; 2]| {
        if left != [Left::Whole; 2] {
            let [standard, minimal] = left.map(Left::word);
            rows.push(format!("| {what} | {standard} | {minimal} |\n"));
        }
    };
    for (_, board) in boards()? {
        let title = board["title"].as_str().context("a title")?;
        for panel in list(&board["panels"]) {
            let name = panel["title"].as_str().unwrap_or_default();
            let exprs = || list(&panel["targets"]).filter_map(|target| target["expr"].as_str());
            let left = sets
                .each_ref()
                .map(|set| Left::together(exprs().map(|expr| set.left_of_panel(expr))));
            add(format!("{title}: {name}"), left);
        }
    }
    let files = yaml(rule_files()?)?;
    let field = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
    // Rules are in the order in which they use each other, but alerts may be in an earlier file.
    for rule in rules(&files).filter(|rule| rule["record"].is_string()) {
        let (name, expr) = (field(rule, "record"), field(rule, "expr"));
        let left = sets.each_mut().map(|set| {
            let left = set.left(&expr);
            set.recorded.insert(name.clone(), left);
            left
        });
        add(format!("`{name}`"), left);
    }
    for rule in rules(&files).filter(|rule| rule["alert"].is_string()) {
        let expr = field(rule, "expr");
        let left = sets.each_ref().map(|set| set.left(&expr));
        add(field(rule, "alert"), left);
    }
    rows.dedup();
    Ok(rows.concat())
}

#[test]
fn the_table_is_true() -> Result<()> {
    let rows = rows()?;
    ensure!(rows.lines().count() > 10, "few rows:\n{rows}");
    let document = text(DOCUMENT)?;
    let (_, after) = document.split_once(HEAD).context("no table")?;
    let (found, _) = after.split_once("\n\n").context("no end of the table")?;
    if found.trim_end() != rows.trim_end() {
        bail!("{DOCUMENT} needs these rows:\n{rows}");
    }
    Ok(())
}

#[test]
fn selectors_are_found() {
    let expr = r#"1 - a:tcp_echo_x:y > 0 / sum by (le, job) (rate(tcp_echo_b{le="1", reason!="c",x=~"d"}[5m]))"#;
    let selector = |name, wanted: &[&'static str]| Selector {
        name,
        wanted: wanted.to_vec(),
    };
    assert_eq!(
        selectors(expr),
        [
            selector("a:tcp_echo_x:y", &[]),
            selector("tcp_echo_b", &["le", "x"])
        ]
    );
    assert_eq!(grouping(expr), BTreeSet::from(["job", "le"]));
}

#[test]
fn what_is_left_is_found() {
    let all = samples(
        "tcp_echo_up 1\ntcp_echo_a{target=\"t\",reason=\"r\"} 1\n\
         tcp_echo_b{target=\"t\"} 1\ntcp_echo_c{target=\"t\"} 1\n",
    );
    let snapshot = "tcp_echo_a{target=\"t\"} 1\ntcp_echo_b 1\n";
    let mut set = Set::new(snapshot, &all);
    set.recorded.insert("a:tcp_echo:b".to_owned(), Left::Sum);
    for (expr, left) in [
        ("tcp_echo_up", Left::Whole),
        ("sum(tcp_echo_a)", Left::Whole),
        ("tcp_echo_a{reason!=\"x\"}", Left::Whole),
        ("tcp_echo_a{reason=\"x\"}", Left::Nothing),
        ("sum by (reason) (tcp_echo_a)", Left::Sum),
        ("sum by (job) (tcp_echo_b)", Left::Whole),
        ("sum by (job, target) (tcp_echo_b)", Left::Nothing),
        ("tcp_echo_a unless tcp_echo_c", Left::Part),
        ("tcp_echo_a or tcp_echo_c", Left::Part),
        ("tcp_echo_a - tcp_echo_c", Left::Nothing),
        ("a:tcp_echo:b > 1", Left::Sum),
    ] {
        assert_eq!(set.left(expr), left, "{expr}");
    }
    let rtt = "histogram_quantile(0.5, ${rtt}{target=\"x\"})";
    assert_eq!(set.left_of_panel(rtt), Left::Native);
}
