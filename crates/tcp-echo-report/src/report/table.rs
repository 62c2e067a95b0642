//! The report for people: counts, RTTs, histograms.
//!
//! The table is our own and not that of `comfy-table`, since the gap between its columns shrinks
//! before its lines exceed the terminal, and then long names move to lines of their own.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

mod path;

use super::histogram::Bucket;
use super::schema::{Report, TargetReport};
use crate::format::{Charset, printable, short};

/// The maximum width of a line, if names and numbers allow.
const MAX_WIDTH: usize = 80;
/// The maximum length of a bar of a histogram.
const MAX_BAR: usize = 40;
/// Histograms are shown for up to this many targets.
const MAX_HISTOGRAMS: usize = 4;

/// The report as text, with its final newline.
pub fn render(report: &Report, charset: Charset) -> String {
    let mut text = String::new();
    let targets = &report.targets;
    if targets.is_empty() {
        // Standard error has the same message.
        return report
            .nothing_probed()
            .map_or(text, |reason| format!("{reason}\n"));
    }
    grid(
        &mut text,
        &[
            "sent", "received", "timeouts", "unsent", "late", "unexp.", "lost", "loss", "retr.",
        ],
        targets
            .iter()
            .map(|target| (target, counts(target).to_vec())),
    );
    for target in targets.iter().filter(|target| target.missed > 0) {
        let (slots, name) = (target.missed, printable(&target.name));
        let _ = writeln!(
            text,
            "this host missed {slots} slots of {name}: part of unsent"
        );
    }
    text.push('\n');
    grid(
        &mut text,
        &[
            "min", "mean", "p50", "p90", "p99", "p99.9", "max", "jitter", "host",
        ],
        targets
            .iter()
            .map(|target| (target, times(target, charset))),
    );
    path::render(&mut text, targets, charset);
    if targets.len() <= MAX_HISTOGRAMS {
        for target in targets {
            histogram(&mut text, target, charset);
        }
    }
    text
}

fn counts(target: &TargetReport) -> [String; 9] {
    [
        target.sent.to_string(),
        target.received.to_string(),
        target.timeouts.to_string(),
        target.unsent.to_string(),
        target.late.to_string(),
        target.unexpected.to_string(),
        target.lost.to_string(),
        percent(target.loss_percent),
        or_dash(target.shown.retransmits.map(|number| number.to_string())),
    ]
}

fn times(target: &TargetReport, charset: Charset) -> Vec<String> {
    let shown = &target.shown;
    let rtts = match shown.rtts {
        Some(rtts) => rtts.map(Some),
        None => [None; 7],
    };
    let others = [shown.jitter, shown.host_delay];
    rtts.into_iter()
        .chain(others)
        .map(|time| or_dash(time.map(|time| short(time, charset))))
        .collect()
}

/// A percentage that shows 0 or 100 only if it is exact.
pub(super) fn percent(percent: f64) -> String {
    let text = format!("{percent:.2}%");
    match text.as_str() {
        "0.00%" if percent > 0.0 => ">0%".to_owned(),
        "100.00%" if percent < 100.0 => "<100%".to_owned(),
        "0.00%" => "0%".to_owned(),
        "100.00%" => "100%".to_owned(),
        _ => text,
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// Rows of figures under their titles. The name precedes the figures if all names fit, and else
/// has a line of its own.
fn grid<'a>(
    text: &mut String,
    titles: &[&str],
    rows: impl Iterator<Item = (&'a TargetReport, Vec<String>)>,
) {
    let rows: Vec<_> = rows
        .map(|(target, figures)| (printable(&target.name), figures))
        .collect();
    let widest: Vec<_> = titles
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let figures = rows.iter().filter_map(|(_, figures)| figures.get(column));
            let widest = figures.map(|figure| figure.width()).max().unwrap_or(0);
            title.width().max(widest)
        })
        .collect();
    let names = rows.iter().map(|(name, _)| name.width());
    let name = names.chain(["target".len()]).max().unwrap_or(0);
    let line = |gap: usize| name + widest.iter().map(|width| gap + width).sum::<usize>();
    let (apart, gap) = match () {
        () if line(2) <= MAX_WIDTH => (false, 2),
        () if line(1) <= MAX_WIDTH => (false, 1),
        () => (true, 2),
    };
    let indent = if apart { 0 } else { name };
    let widths: Vec<_> = widest.iter().map(|width| gap + width).collect();

    let figures = |text: &mut String, figures: &mut dyn Iterator<Item = &str>| {
        for (figure, width) in figures.zip(&widths) {
            right(text, figure, *width);
        }
        text.push('\n');
    };
    left(text, if apart { "" } else { "target" }, indent);
    figures(text, &mut titles.iter().copied());
    for (name, row) in &rows {
        if apart {
            let _ = writeln!(text, "{name}");
        }
        left(text, if apart { "" } else { name }, indent);
        figures(text, &mut row.iter().map(String::as_str));
    }
}

fn left(text: &mut String, cell: &str, width: usize) {
    text.push_str(cell);
    pad(text, width.saturating_sub(cell.width()));
}

fn right(text: &mut String, cell: &str, width: usize) {
    pad(text, width.saturating_sub(cell.width()));
    text.push_str(cell);
}

fn pad(text: &mut String, width: usize) {
    text.extend(std::iter::repeat_n(' ', width));
}

fn histogram(text: &mut String, target: &TargetReport, charset: Charset) {
    let buckets = &target.shown.histogram;
    let Some(max) = buckets.iter().map(|bucket| bucket.count).max() else {
        return;
    };
    let _ = writeln!(text, "\nRTT of {}, replies up to", printable(&target.name));
    let digits = max.to_string().len();
    for Bucket { upper, count, .. } in buckets {
        right(text, &short(*upper, charset), 8);
        let bar = bar(*count, max, charset);
        let _ = write!(text, " {count:>digits$} {bar}");
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

/// A bar of the ratio `count` to `max`; any count above 0 is visible.
fn bar(count: u64, max: u64, charset: Charset) -> String {
    let (steps, full, parts): (u64, char, &[char]) = match charset {
        Charset::Unicode => (8, '█', &['▏', '▎', '▍', '▌', '▋', '▊', '▉']),
        Charset::Ascii => (1, '#', &[]),
    };
    let units = MAX_BAR as u128 * u128::from(steps) * u128::from(count);
    let units = units.div_ceil(u128::from(max.max(1)));
    let steps = u128::from(steps);
    let whole = usize::try_from(units / steps).unwrap_or(MAX_BAR);
    let part = usize::try_from(units % steps).ok();
    let part = part.and_then(|part| parts.get(part.checked_sub(1)?));
    std::iter::repeat_n(full, whole)
        .chain(part.copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_percentages_are_not_zero() {
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(0.001), ">0%");
        assert_eq!(percent(12.345), "12.35%");
        assert_eq!(percent(99.9999), "<100%");
        assert_eq!(percent(100.0), "100%");
    }

    #[test]
    fn slots_that_this_host_missed_have_a_line() {
        use std::time::{Duration, Instant};

        use tcp_echo_prober::{
            Event, Observer as _, Sensor as _, Session, SessionConfig, Target, UnsentReason,
        };

        use crate::config::Percent;
        use crate::report::Totals;
        use crate::report::schema::{Ended, Run};

        let second = Duration::from_secs(1);
        let config = SessionConfig::new(second, second).unwrap();
        let totals = Totals::new(1, None);
        let session = Session::new(&config, Instant::now());
        let target = Target::new("192.0.2.1:1".parse().unwrap(), config);
        let mut sensor = totals.attach(&target.named("db"));
        let mut report_of = |reason, slots| {
            sensor.on_event(&Event::Unsent { reason, slots }, &session);
            let run = Run {
                version: "0",
                start_time: second,
                duration: second,
                ended: Ended::Count,
                max_loss: Percent::new(100.0).unwrap(),
            };
            let report = Report::new(run, &totals);
            (report.targets[0].missed, render(&report, Charset::Ascii))
        };
        let (missed, table) = report_of(UnsentReason::Disconnected, 2);
        assert!(missed == 0 && !table.contains("missed"), "{table}");
        let (missed, table) = report_of(UnsentReason::Overrun, 3);
        assert_eq!(missed, 3);
        assert!(table.contains("this host missed 3 slots of db"), "{table}");
    }

    #[test]
    fn bars_have_the_length_of_their_ratio() {
        assert_eq!(bar(10, 10, Charset::Ascii), "#".repeat(MAX_BAR));
        assert_eq!(bar(1, 1_000_000, Charset::Ascii), "#");
        assert_eq!(bar(0, 10, Charset::Ascii), "");
        assert_eq!(bar(1, 1_000_000, Charset::Unicode), "▏");
        assert_eq!(bar(5, 80, Charset::Unicode), "██▌");
        assert_eq!(
            bar(u64::MAX, u64::MAX, Charset::Unicode).chars().count(),
            MAX_BAR
        );
    }
}
