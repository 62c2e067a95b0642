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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tcp_echo_prober::{
        Event, Observer as _, Segments, Sensor as _, Session, SessionConfig, Target, TcpInfo,
    };

    use super::*;
    use crate::config::Percent;
    use crate::report::{Ended, Report, Run, Totals, table};

    /// The report of two targets: `db` without, and `far` with these segments sent and lost.
    fn report(segments: Option<Segments>) -> Report {
        let second = Duration::from_secs(1);
        let config = SessionConfig::new(second, second).unwrap();
        let totals = Totals::new(2, None);
        for (name, segments) in [("db", None), ("far", segments)] {
            let target = Target::new("192.0.2.1:1".parse().unwrap(), config.clone());
            let mut sensor = totals.attach(&target.named(name));
            let mut session = Session::new(&config, Instant::now());
            let address = ([192, 0, 2, 1], 1).into();
            let _ = session.handle_connected(Instant::now(), address, second);
            let info = TcpInfo {
                segments,
                ..TcpInfo::default()
            };
            let event = session.handle_tcp_info(Instant::now(), info);
            sensor.on_event(&event, &session);
            if segments.is_some() {
                sensor.on_event(&Event::SoftError, &session);
            }
        }
        let run = Run {
            version: "0",
            start_time: second,
            duration: second,
            ended: Ended::Duration,
            max_loss: Percent::new(100.0).unwrap(),
        };
        Report::new(run, &totals)
    }

    /// The lines between the RTTs and the histograms.
    fn shown(report: &Report) -> Vec<String> {
        let table = table(report, Charset::Ascii);
        assert!(table.lines().all(|line| line.len() <= 80), "{table}");
        let lines = table.lines().skip(7).map(str::to_owned);
        lines.collect()
    }

    #[test]
    fn only_what_is_known_is_shown() {
        assert_eq!(shown(&report(None)), [""; 0]);
        let lost_some = Segments {
            sent: 2500,
            lost: 3,
        };
        assert_eq!(
            shown(&report(Some(lost_some))),
            [
                "",
                "segments lost by direction",
                "target      lost there",
                "db                   -",
                "far     0.12% (3/2500)",
                "a router said once that far is unreachable, while it was connected",
            ]
        );
    }

    #[test]
    fn what_is_at_fault_is_named() {
        let mut report = report(Some(Segments {
            sent: 2500,
            lost: 3,
        }));
        let far = &mut report.targets[1].shown;
        far.segments[1] = Some(SegmentCounts {
            sent: 2480,
            lost: 496,
        });
        far.most_packet_loss = Some(Direction::Reverse);
        let figures = |micros| Figures {
            mean: Duration::from_micros(micros),
            p99: Duration::from_micros(3 * micros),
            max: Duration::from_micros(4 * micros),
        };
        far.excess = Some([100, 20_300, 0, 110].map(figures));
        far.most_excess_delay = Some(Part::Forward);
        assert_eq!(
            shown(&report)[1..6],
            [
                "segments lost by direction, mean delay above the minimum by part",
                "target      lost there          lost back  own host  way there  peer  way back",
                "db                   -                  -         -          -     -         -",
                "far     0.12% (3/2500)  20.00% (496/2480)     100us     20.3ms   0ns     110us",
                "most packet loss of far is on the way back",
            ]
        );
        assert_eq!(
            shown(&report)[6],
            "most delay of far is on the way there: p99 60.9ms, max 81.2ms"
        );
    }
}
