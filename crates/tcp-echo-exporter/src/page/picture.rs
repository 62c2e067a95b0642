//! The picture of a target's history, and its values as a table.

use std::time::UNIX_EPOCH;

use maud::{Markup, html};
use tcp_echo_prober::Direction;

use super::{
    history::step::Step,
    plot::{Known, LEFT, PlotData, RIGHT, TimedStep},
    query::{Range, encode_pair, target_link},
    text,
};

/// The widths of pages up to which a picture is shown, and the width of that picture: that of the
/// narrowest page that shows it, less what is beside it. So pictures are enlarged, but never
/// reduced, and their text neither.
const WIDTHS: [(u32, u32); 5] = [(339, 262), (429, 302), (559, 392), (759, 522), (999, 692)];
const WIDER: (u32, u32) = (1215, 932);
const WIDEST: u32 = 1148;

/// The heads of the columns of the excess, by part of the round trip.
const PARTS: [&str; 4] = ["This host", "Way there", "Peer", "Way back"];

/// Returns the picture, with the links to other ranges.
pub(super) fn picture(data: &PlotData, range: Range, summary: &str) -> Markup {
    let by_itself = format!(
        "api/v1/plot?{}&range={}",
        encode_pair("target", &data.name),
        range.as_str()
    );
    let plot = |theme, width| format!("{by_itself}&title=false&theme={theme}&width={width}");
    let widths = || WIDTHS.into_iter().chain([WIDER]);
    let now = data.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    html! {
        figure #plot data-now=(now.as_millis()) data-span=(data.span)
            data-left=(LEFT) data-right=(RIGHT) {
            nav.range aria-label="Range of the picture" {
                @for other in Range::ALL {
                    a href={ (target_link(&data.name)) "&range=" (other.as_str()) }
                        aria-current=[(other == range).then_some("true")] { (other.name()) }
                }
            }
            picture {
                @for (page, width) in widths() {
                    source media={ "(prefers-color-scheme: dark) and (max-width: " (page) "px)" }
                        srcset=(plot("dark", width));
                }
                source media="(prefers-color-scheme: dark)" srcset=(plot("dark", WIDEST));
                @for (page, width) in widths() {
                    source media={ "(max-width: " (page) "px)" } srcset=(plot("light", width));
                }
                img src=(plot("light", WIDEST))
                    alt={ "History of the RTT and loss. " (summary) "." };
            }
            figcaption {
                "A step is " (data.step_seconds()) " seconds. "
                a href=(by_itself) { "The picture by itself" }
            }
        }
    }
}

/// Returns the values of all steps, the latest first. The script shows a row's cells below the
/// heads of their columns when its step is pointed at.
pub(super) fn table(data: &PlotData) -> Markup {
    let Known {
        forward,
        reverse,
        parts,
    } = data.known;
    let ways = [(forward, "Lost there"), (reverse, "Lost back")];
    let ways = ways.into_iter().filter(|(is_known, _)| *is_known);
    let ways: Vec<_> = ways.map(|(_, head)| head).collect();
    html! {
        table #steps {
            thead {
                tr {
                    th scope="col" { "Time" }
                    @for head in ["p10", "Median", "p90", "p99", "Loss", "Missed", "Replies", "Connection"] {
                        th.n scope="col" { (head) }
                    }
                    @for head in ways { th.n scope="col" { (head) } }
                    @if parts { @for head in PARTS { th.n scope="col" { (head) } } }
                }
            }
            tbody { @for step in data.steps.iter().rev() { (row(step, data.known)) } }
        }
    }
}

fn row(TimedStep { begin, end, step }: &TimedStep, known: Known) -> Markup {
    let part = |part: Option<f64>| part.map_or_else(|| "–".to_owned(), text::percent);
    let lost = |direction| step.ways.of(direction).loss();
    let means = step.ways.mean_excess();
    let means: [_; PARTS.len()] = std::array::from_fn(|part| means.map(|means| means[part]));
    html! {
        tr data-begin={ (format!("{begin:.1}")) } data-end={ (format!("{end:.1}")) } {
            th scope="row" { (text::ago(-begin)) }
            @for quantile in 0..4 { td.n { (text::duration(step.quantile(quantile))) } }
            td.n { (part(step.loss())) }
            td.n { (part(step.missed())) }
            td.n { (step.received) }
            td.n { (connection(step)) }
            @if known.forward { td.n { (part(lost(Direction::Forward))) } }
            @if known.reverse { td.n { (part(lost(Direction::Reverse))) } }
            @if known.parts { @for part in means { td.n { (excess(part)) } } }
        }
    }
}

/// Formats a mean excess. The history keeps little as none.
fn excess(mean: Option<f64>) -> String {
    match mean {
        Some(seconds) if seconds < 1e-4 => "<0.1\u{a0}ms".to_owned(),
        _ => text::duration(mean),
    }
}

fn connection(step: &Step) -> &'static str {
    match (step.disconnects > 0, step.connects > 0) {
        (false, false) => "–",
        (false, true) => "connected",
        (true, false) => "lost",
        (true, true) => "lost, connected",
    }
}
