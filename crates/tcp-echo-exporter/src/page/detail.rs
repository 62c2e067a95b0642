//! The view of one target.

use std::time::SystemTime;

use maud::{Markup, html};

use super::{
    episodes,
    history::History,
    paths::FlowList,
    picture::{picture, table},
    plot::{PlotData, Record},
    query::Range,
    status::TargetStatus,
    text,
    verdict::Verdict,
    view::Health,
};
use crate::metrics::layout::Cell;

/// The maximum number of changes of the connection that are listed, latest first.
const MAX_CHANGES: usize = 20;

pub(super) fn detail(history: &History, name: &str, range: Range) -> Markup {
    let record = Record::find(history, name);
    let tracks = history.tracks();
    let found = history.metrics().snapshot_of(name, true);
    let target = found.as_ref().and_then(|found| found.iter().next());
    let (Some(record), Some(target)) = (record, target) else {
        return html! {
            h1 { "No such target" }
            p { "Nothing of the name " b { (name) } " is probed. " a href="./" { "All targets" } }
        };
    };
    let data = PlotData::new(&record, range);
    let health = Health::of(&target).as_str();
    let peer = target.peer().map(|peer| peer.to_string());
    let flow_count = target.flow_count();
    let status = TargetStatus::of(target, &tracks);
    drop(tracks);
    let flows = FlowList::of(history.metrics().flows(name), &status, flow_count);
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
    let summary: Vec<String> = facts[..4]
        .iter()
        .map(|(term, value)| format!("{term} {value}"))
        .collect();
    html! {
        h1 #detail { (name) }
        p.about {
            span class={ "state " (health) } { (health) }
            span { (status.address) }
            @if let Some(peer) = peer.filter(|peer| peer != status.address) { span { (peer) } }
            @for (name, value) in &status.labels { small.label { (name) "=" (value) } }
        }
        dl.facts { @for (term, value) in &facts { div { dt { (term) } dd { (value) } } } }
        (Verdict::of(&record).sentence(record.now))
        (picture(&data, range, &summary.join(", ")))
        div.flows { (flows.table()) }
        @if let Some(known) = history.metrics().episodes() {
            (episodes::section(known, name, range, SystemTime::now()))
        }
        div.columns {
            section aria-labelledby="changes" {
                h2 #changes { "Connection" }
                (changes(&record))
            }
            section aria-labelledby="counts" {
                h2 #counts { "Since the start" }
                dl.counts {
                    @for (term, value) in counts { div { dt { (term) } dd { (value) } } }
                }
            }
        }
        // The script closes it. Without the script, the page would close it at each reload.
        details.values open {
            summary { "Values of the steps" }
            (table(&data))
        }
    }
}

fn positive(seconds: f64) -> Option<f64> {
    (seconds > 0.0).then_some(seconds)
}

fn changes(record: &Record) -> Markup {
    let latest = record.steps.iter().rev();
    let changed = latest.filter(|at| at.step.connects > 0 || at.step.disconnects > 0);
    let changed: Vec<_> = changed.take(MAX_CHANGES).collect();
    html! {
        @if changed.is_empty() {
            p.note { "No change in the time that is kept." }
        } @else {
            ol.changes {
                @for at in changed {
                    li {
                        span.when { (text::ago(-at.begin)) }
                        @if at.step.disconnects > 0 { span.down { "lost" (times(at.step.disconnects)) } }
                        @if at.step.connects > 0 { span.up { "connected" (times(at.step.connects)) } }
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
