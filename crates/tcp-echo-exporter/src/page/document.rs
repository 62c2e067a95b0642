//! The HTML document around the table of all targets or the view of one.

use maud::{DOCTYPE, Markup, html};

use super::{detail::detail, history::History, overview::overview, query::TargetsQuery};
use crate::metrics::build_info::BuildInfo;

/// How often the page reloads without its script, in seconds.
const REFRESH: &str = "10";

/// Renders the page of all targets or of one, or says that nothing is probed.
pub(super) fn page(build: &BuildInfo, history: Option<&History>, query: &TargetsQuery) -> Markup {
    let (title, main) = match (history, &query.target) {
        (None, _) => (None, html! { p { "Nothing is probed here." } }),
        (Some(history), Some(name)) => (Some(name), detail(history, name, query.range)),
        (Some(history), None) => (None, overview(history, query)),
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
