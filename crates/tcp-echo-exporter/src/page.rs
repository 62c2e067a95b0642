//! The status page.
//!
//! It is whole without its script: a table that is loaded again every ten seconds,
//! and a form for the search. The script keeps it up to date in between.
//!
//! All its references are relative, so that a proxy can serve it below any path.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use crate::{
    metrics::build_info::BuildInfo,
    page::{
        history::{FEWEST_STEPS, History},
        query::{Choice, MOST_ROWS},
        text::SPARK_HEIGHT,
        view::{Health, Row, View},
    },
};

mod detail;
pub(crate) mod history;
mod plot;
mod query;
mod routes;
pub(crate) mod sse;
mod status;
mod text;
mod view;

pub(crate) use routes::routes;

/// How often the page is loaded again where its script does not run, in seconds.
const REFRESH: &str = "10";

/// The page of all targets or of one; it says so where nothing is probed.
fn page(build: &BuildInfo, history: Option<&History>, choice: &Choice) -> Markup {
    let (title, main) = match (history, &choice.target) {
        (None, _) => (None, html! { p { "Nothing is probed here." } }),
        (Some(history), Some(name)) => (Some(name), detail::detail(history, name)),
        (Some(history), None) => (None, overview(history, choice)),
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                noscript { meta http-equiv="refresh" content=(REFRESH); }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="static/page.css";
                script src="static/page.js" defer {}
                title { @if let Some(name) = title { (name) " – " } "TCP echo metrics" }
            }
            body {
                header {
                    @if title.is_some() {
                        p.brand { a href="./" { "TCP echo metrics" } }
                    } @else {
                        h1.brand { "TCP echo metrics" }
                    }
                    nav aria-label="Endpoints" {
                        a href="metrics" { "Metrics" }
                        a href="api/v1/targets" { "JSON" }
                        a href="-/ready" { "Readiness" }
                    }
                }
                main { (main) }
                footer {
                    p { "tcp-echo-metrics " (build.version) " (" (build.revision) ")" }
                    p #live {}
                }
            }
        }
    }
}

fn overview(history: &History, choice: &Choice) -> Markup {
    let view = View::of(history);
    let (rows, matched) = view.choose(choice);
    let minutes = Duration::from_secs(600).as_secs() / 60;
    html! {
        div.bar {
            p.tally #tally role="status" {
                @for (health, count) in Health::ALL.into_iter().zip(view.tally()) {
                    span class=(health.as_str()) data-health=(health.as_str()) {
                        b { (count) } " " (health.as_str())
                    }
                    " "
                }
            }
            form.search action="./" role="search" {
                label for="search" { "Search" }
                input #search type="search" name="search" value=(choice.search)
                    placeholder="name, address, label, state" autocomplete="off" spellcheck="false";
                @if let Some(limit) = choice.limit {
                    input type="hidden" name="limit" value=(limit.min(MOST_ROWS));
                }
                noscript { button { "Search" } }
            }
        }
        div.wide {
            table #targets data-limit=(choice.limit()) {
                caption {
                    "Targets, worst first: "
                    span #matched { (shown(rows.len(), matched)) }
                }
                thead {
                    tr {
                        th scope="col" { "Target" }
                        th scope="col" { "State" }
                        th.n scope="col" { "RTT now" }
                        th.n scope="col" { "p50" }
                        th.n scope="col" { "p99" }
                        th.n scope="col" { "Loss" }
                        th.s scope="col" { "Last " (minutes) " min" }
                    }
                }
                tbody { @for row in rows { (line(row)) } }
            }
        }
        p.note {
            "p50 and p99 are of the last 2½ to 5 minutes, loss of each target's loss window. \
             Slots that this host missed are part of it and say nothing of the target. \
             A sparkline is the median RTT on a scale of its own, with loss in red from below."
        }
    }
}

/// How many of how many; the script writes the same.
fn shown(rows: usize, matched: usize) -> String {
    if rows == matched {
        format!("{matched}")
    } else {
        format!("{rows} of {matched}; search to see others")
    }
}

fn line(row: &Row) -> Markup {
    let texts = row.texts();
    let health = row.health.as_str();
    html! {
        tr #{ "t" (row.id) } class=(health) {
            th scope="row" {
                a href=(link(&row.name)) { (row.name) }
                @if row.address != *row.name { " " small { (row.address) } }
                @for (name, value) in &row.labels { " " small.label { (name) "=" (value) } }
            }
            td.state { (health) }
            td.n { (texts.rtt) }
            td.n { (texts.p50) }
            td.n { (texts.p99) }
            td.n.loss { (texts.loss) }
            td.s {
                svg viewBox={ "0 0 " (FEWEST_STEPS) " " (SPARK_HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                    path.line d=(texts.spark.line) {}
                    path.lost d=(texts.spark.loss) {}
                }
            }
        }
    }
}

/// The view of one target.
fn link(name: &str) -> String {
    format!("?{}", query("target", name))
}

/// `key=value` with everything but letters and digits escaped.
fn query(key: &str, value: &str) -> String {
    use std::fmt::Write as _;
    let mut query = format!("{key}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            query.push(char::from(byte));
        } else {
            let _ = write!(query, "%{byte:02X}");
        }
    }
    query
}
