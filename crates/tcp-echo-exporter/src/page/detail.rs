//! The view of one target.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    history::History, plot::PlotData, query::encode_pair, status::TargetStatus, text, view::Health,
};
use crate::metrics::layout::Cell;

/// The maximum number of changes of the connection that are listed, latest first.
const MAX_CHANGES: usize = 20;

pub(super) fn detail(history: &History, name: &str) -> Markup {
    let data = PlotData::find(history, name);
    let tracks = history.tracks();
    let found = history.metrics().snapshot_of(name, true);
    let target = found.as_ref().and_then(|found| found.iter().next());
    let (Some(data), Some(target)) = (data, target) else {
        return html! {
            h1 { "No such target" }
            p { "Nothing of the name " b { (name) } " is probed. " a href="./" { "All targets" } }
        };
    };
    let span = history.retention();
    let health = Health::of(&target).as_str();
    let peer = target.peer().map(|peer| peer.to_string());
    let status = TargetStatus::of(target, &tracks);
    drop(tracks);
    let facts = [
        ("RTT now", text::duration(status.last_rtt_seconds)),
        ("p50", text::duration(status.p50_seconds)),
        ("p99", text::duration(status.p99_seconds)),
        ("Loss", text::loss(status.loss_ratio, status.missed_ratio)),
        ("Jitter", text::duration(Some(status.jitter_seconds))),
        (
            "Kernel's smoothed RTT",
            text::duration(positive(target.seconds(Cell::Srtt))),
        ),
    ];
    let counts = [
        ("Sent", status.sent),
        ("Received", status.received),
        ("Timeouts", status.timeouts),
        ("In flight", status.in_flight),
        ("Unsent", status.unsent),
        ("of them missed by this host", status.missed),
        ("Late", status.late),
        ("Unexpected", status.unexpected),
        ("Connects", target.connects()),
        ("Failed connects", target.connect_failures()),
        ("Disconnects", target.disconnects()),
    ];
    html! {
        h1 #detail { (name) }
        p.about {
            span class={ "state " (health) } { (health) }
            span { (status.address) }
            @if let Some(peer) = peer.filter(|peer| peer != status.address) { span { (peer) } }
            @for (name, value) in &status.labels { small.label { (name) "=" (value) } }
        }
        dl.facts { @for (term, value) in &facts { div { dt { (term) } dd { (value) } } } }
        (picture(name, &facts, span))
        div.columns {
            section aria-labelledby="changes" {
                h2 #changes { "Connection" }
                (changes(&data))
            }
            section aria-labelledby="counts" {
                h2 #counts { "Since the start" }
                dl.counts {
                    @for (term, value) in counts { div { dt { (term) } dd { (value) } } }
                }
            }
        }
    }
}

fn positive(seconds: f64) -> Option<f64> {
    (seconds > 0.0).then_some(seconds)
}

fn picture(name: &str, facts: &[(&str, String)], span: Duration) -> Markup {
    let plot = format!("api/v1/plot?{}", encode_pair("target", name));
    let numbers: Vec<String> = facts[..4]
        .iter()
        .map(|(term, value)| format!("{term} {value}"))
        .collect();
    let alt = format!("History of the RTT and loss. {}.", numbers.join(", "));
    html! {
        figure #plot {
            picture {
                source media="(prefers-color-scheme: dark) and (max-width: 600px)"
                    srcset={ (plot) "&theme=dark&width=400" };
                source media="(prefers-color-scheme: dark)" srcset={ (plot) "&theme=dark&width=1120" };
                source media="(max-width: 600px)" srcset={ (plot) "&width=400" };
                img src={ (plot) "&width=1120" } alt=(alt);
            }
            figcaption {
                "Steps of 10 seconds of the last " (span.as_secs() / 60) " minutes, or fewer if there are many targets. "
                a href=(plot) { "The picture by itself" }
            }
        }
    }
}

fn changes(data: &PlotData) -> Markup {
    let indexed = data.steps.iter().enumerate().rev();
    let changed = indexed.filter(|(_, step)| step.connects > 0 || step.disconnects > 0);
    let changed: Vec<_> = changed.take(MAX_CHANGES).collect();
    html! {
        @if changed.is_empty() {
            p.note { "No change in the time that is kept." }
        } @else {
            ol.changes {
                @for (index, step) in changed {
                    li {
                        span.when { (ago(-data.when(index).0)) }
                        @if step.disconnects > 0 { span.down { "lost" (times(step.disconnects)) } }
                        @if step.connects > 0 { span.up { "connected" (times(step.connects)) } }
                    }
                }
            }
        }
    }
}

fn times(count: u32) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" {count} times"),
    }
}

fn ago(minutes: f64) -> String {
    if minutes < 1.0 {
        "less than a minute ago".to_owned()
    } else {
        format!("{minutes:.0} min ago")
    }
}
