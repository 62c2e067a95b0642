//! The table of all targets.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    history::{History, MIN_STEPS},
    paths,
    query::{MAX_ROWS, TargetsQuery, target_link},
    sparkline,
    view::{Health, Row, View},
};

pub(super) fn overview(history: &History, query: &TargetsQuery) -> Markup {
    let view = View::of(history);
    let (rows, matched) = view.select(query);
    let minutes = Duration::from_secs(600).as_secs() / 60;
    html! {
        div.bar {
            p.tally #tally role="status" {
                @for (health, count) in Health::ALL.into_iter().zip(view.count_by_health()) {
                    span class=(health.as_str()) data-health=(health.as_str()) {
                        b { (count) } " " (health.as_str())
                    }
                    " "
                }
            }
            form.search action="./" role="search" {
                label for="search" { "Search" }
                input #search type="search" name="search" value=(query.search)
                    placeholder="name, address, label, state" autocomplete="off" spellcheck="false";
                @if let Some(limit) = query.limit {
                    input type="hidden" name="limit" value=(limit.min(MAX_ROWS));
                }
                noscript { button { "Search" } }
            }
        }
        div.wide {
            table #targets data-limit=(query.limit()) {
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
        (paths::links(history.metrics().votes()))
        p.note {
            "p50 and p99 are of the last 5 minutes, loss of each target's loss window. \
             Slots that this host missed are part of it and say nothing of the target. \
             A sparkline is the median RTT on a scale of its own, with loss in red from below."
        }
    }
}

/// Formats how many targets are shown. The script does the same.
fn shown(rows: usize, matched: usize) -> String {
    if rows == matched {
        format!("{matched}")
    } else {
        format!("{rows} of {matched}; search to see others")
    }
}

fn line(row: &Row) -> Markup {
    let cells = row.cells();
    let health = row.health.as_str();
    html! {
        tr #{ "t" (row.id) } class=(health) {
            th scope="row" {
                a href=(target_link(&row.name)) { (row.name) }
                @if row.address != *row.name { " " small { (row.address) } }
                @for (name, value) in &row.labels { " " small.label { (name) "=" (value) } }
            }
            td.state { (health) }
            td.n { (cells.rtt) }
            td.n { (cells.p50) }
            td.n { (cells.p99) }
            td.n.loss { (cells.loss) }
            td.s {
                svg viewBox={ "0 0 " (MIN_STEPS) " " (sparkline::HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                    path.line d=(cells.spark.line) {}
                    path.lost d=(cells.spark.loss) {}
                }
            }
        }
    }
}
