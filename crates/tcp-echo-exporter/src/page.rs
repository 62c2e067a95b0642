//! The status page.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    about::BuildInfo,
    status::{Status, TargetStatus},
};

/// The page's style; nothing else is loaded or run, and [`POLICY`] forbids it.
const STYLE: &str = include_str!("page.css");

/// The `Content-Security-Policy` of the page: its own style by its hash, and the
/// empty icon, which keeps browsers from asking for one.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'sha256-2qdUfreXXADngzlMo6djTAe4FPjOinIYI6O0IFJMW4U='; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How often the page is loaded again, in seconds.
const REFRESH: &str = "5";

/// The page; without targets where nothing is probed.
pub(crate) fn page(build: &BuildInfo, status: Option<&Status<'_>>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH);
                link rel="icon" href="data:,";
                title { "TCP echo metrics" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "TCP echo metrics" }
                nav {
                    a href="/metrics" { "Metrics" }
                    a href="/api/v1/targets" { "Targets as JSON" }
                    a href="/-/ready" { "Readiness" }
                }
                main {
                    @match status {
                        Some(status) => (table(status)),
                        None => p { "Nothing is probed here." },
                    }
                }
                footer { p { "tcp-echo-metrics " (build.version) " (" (build.revision) ")" } }
            }
        }
    }
}

fn table(status: &Status<'_>) -> Markup {
    html! {
        div {
            table {
                caption { (status.targets.len()) " targets" }
                thead {
                    tr {
                        th scope="col" { "Target" }
                        th scope="col" { "Address" }
                        th scope="col" { "State" }
                        @for heading in ["Last RTT", "Jitter", "Loss", "Sent", "Received", "Timeouts", "Unsent"] {
                            th.n scope="col" { (heading) }
                        }
                    }
                }
                tbody { @for target in &status.targets { (row(target)) } }
            }
        }
    }
}

fn row(target: &TargetStatus<'_>) -> Markup {
    let peer = target.peer.map(|peer| peer.to_string());
    let peer = peer.filter(|peer| peer != target.address);
    let state = target.state.as_str();
    html! {
        tr {
            th scope="row" {
                (target.name)
                @for (name, value) in &target.labels { " " small { (name) "=" (value) } }
            }
            td { (target.address) @if let Some(peer) = peer { " " small { (peer) } } }
            td class=(state) { (state) }
            td.n { @match target.last_rtt_seconds { Some(rtt) => (duration(rtt)), None => "–" } }
            td.n { (duration(target.jitter_seconds)) }
            td.n { (format!("{:.1}", 100.0 * target.loss_ratio)) " %" }
            @for count in [target.sent, target.received, target.timeouts, target.unsent] {
                td.n { (count) }
            }
        }
    }
}

/// A duration as people read it, such as `1.234ms`.
fn duration(seconds: f64) -> String {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    format!("{duration:.3?}")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_style_as_it_is() {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }
}
