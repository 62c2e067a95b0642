//! The way of the probes in the table: packet loss by direction, and delay by part.

use std::fmt::Write as _;

use tcp_echo_prober::{Direction, SegmentCounts};

use super::{grid, or_dash, percent};
use crate::format::{Charset, printable, short};
use crate::report::excess::{Figures, Part};
use crate::report::fault;
use crate::report::schema::TargetReport;

/// The columns: loss by direction, then delay by part.
const TITLES: [&str; 6] = [
    "lost there",
    "lost back",
    "own host",
    "way there",
    "peer",
    "way back",
];

/// Appends what is known, if anything is.
pub(super) fn render(text: &mut String, targets: &[TargetReport], charset: Charset) {
    let rows: Vec<_> = targets
        .iter()
        .map(|target| (target, cells(target, charset)))
        .collect();
    let is_known = |column: &usize| rows.iter().any(|(_, cells)| cells[*column].is_some());
    let known: Vec<usize> = (0..TITLES.len()).filter(is_known).collect();
    if !known.is_empty() {
        text.push_str(if known.len() > Direction::ALL.len() {
            "\nsegments lost by direction, mean delay above the minimum by part\n"
        } else {
            "\nsegments lost by direction\n"
        });
        let titles: Vec<_> = known.iter().map(|column| TITLES[*column]).collect();
        let rows = rows.into_iter().map(|(target, mut cells)| {
            let cells = known.iter().map(|column| or_dash(cells[*column].take()));
            (target, cells.collect())
        });
        grid(text, &titles, rows);
    }
    for target in targets {
        sentences(text, target, charset);
    }
}

fn cells(target: &TargetReport, charset: Charset) -> [Option<String>; TITLES.len()] {
    let [forward, reverse] = target.shown.segments.map(|segments| segments.map(lost));
    let delays = match target.shown.excess {
        Some(parts) => parts.map(|part| Some(short(part.mean, charset))),
        None => [const { None }; Part::ALL.len()],
    };
    let [prober, there, peer, back] = delays;
    [forward, reverse, prober, there, peer, back]
}

/// A ratio, and the numbers that it is of.
fn lost(segments: SegmentCounts) -> String {
    let percent = percent(100.0 * fault::ratio(segments));
    format!("{percent} ({}/{})", segments.lost, segments.sent)
}

/// What is clearly at fault, a line each.
fn sentences(text: &mut String, target: &TargetReport, charset: Charset) {
    let (shown, name) = (&target.shown, printable(&target.name));
    if let Some(direction) = shown.most_packet_loss {
        let way = match direction {
            Direction::Forward => "way there",
            Direction::Reverse => "way back",
        };
        let _ = writeln!(text, "most packet loss of {name} is on the {way}");
    }
    if let (Some(part), Some(figures)) = (shown.most_excess_delay, shown.excess) {
        let place = match part {
            Part::Prober => "in this host",
            Part::Forward => "on the way there",
            Part::Peer => "in the peer's host",
            Part::Reverse => "on the way back",
        };
        let Figures { p99, max, .. } = figures[part as usize];
        let (p99, max) = (short(p99, charset), short(max, charset));
        let _ = writeln!(
            text,
            "most delay of {name} is {place}: p99 {p99}, max {max}"
        );
    }
    if target.soft_errors > 0 {
        let times = match target.soft_errors {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let _ = writeln!(
            text,
            "a router said {times} that {name} is unreachable, while it was connected"
        );
    }
}
