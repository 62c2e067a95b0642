use std::time::SystemTime;

use super::*;
use crate::page::{
    history::{
        step::Step,
        ways::{Segments, Ways},
    },
    query::Range,
};

/// A peer that tells: slow on the way back for a while, and with loss on the way there.
fn ways(index: usize) -> Ways {
    let late = if (20..30).contains(&index) {
        13 * 20_000
    } else {
        0
    };
    let lost = u32::from(index.is_multiple_of(9));
    Ways {
        split: 13,
        excess: [13 * 200, 0, 13 * 40, late],
        segments: [Segments { sent: 14, lost }, Segments { sent: 13, lost: 0 }],
    }
}

fn record(name: &str, steps: usize, current: u64) -> Record {
    let step = |index: usize| {
        let place = u8::try_from(60 + index % 5).unwrap();
        let lost = if index.is_multiple_of(7) { 4 } else { 0 };
        let counts = match index % 11 {
            10 => vec![],
            _ => vec![(place, 10), (70, 3)],
        };
        Step {
            received: if counts.is_empty() { 0 } else { 13 },
            counts,
            lost,
            missed: lost / 2,
            connects: u32::from(index == 0),
            disconnects: u32::from(index == 40),
            ways: ways(index),
        }
    };
    Record {
        name: name.to_owned(),
        steps: data::timed((0..steps).map(step).collect(), 5.0),
        current,
        now: SystemTime::UNIX_EPOCH,
        counts_forward: true,
        answers_hello: true,
    }
}

fn plot_data(name: &str, steps: usize) -> PlotData {
    PlotData::new(&record(name, steps, 400), Range::Hour)
}

fn plot_query(width: &str, theme: &str) -> PlotQuery {
    let json = format!(
        "{{\"target\": \"\", \"width\": {width}, \"title\": true, \"theme\": \"{theme}\"}}"
    );
    serde_json::from_str(&json).unwrap()
}

#[test]
fn every_history_can_be_plotted() {
    for steps in [0, 1, 2, 59, 361] {
        for (width, theme) in [
            ("0", "light"),
            ("302", "light"),
            ("960", "dark"),
            ("4000000000", "light"),
        ] {
            let svg = svg(&plot_data("a", steps), &plot_query(width, theme)).unwrap();
            assert!(svg.starts_with("<svg width="), "{svg}");
            assert!(svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.len() < 400_000, "{}", svg.len());
        }
    }
    let svg = svg(&plot_data("a", 361), &plot_query("4000000000", "light")).unwrap();
    assert!(svg.starts_with("<svg width=\"2000\" height=\"844\" viewBox=\"0 0 8000 3376\""));
}

#[test]
fn a_name_is_escaped() {
    let name = "</text><script>x</script>&\"'\u{1}\n\u{7f}";
    let svg = svg(&plot_data(name, 3), &plot_query("960", "light")).unwrap();
    assert!(!svg.contains("<script"), "{svg}");
    assert!(svg.contains("&lt;/text&gt;&lt;script&gt;"), "{svg}");
    let controls = svg.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0);
}

#[test]
fn no_text_is_smaller_than_12_pixels() {
    for width in ["262", "302", "1152"] {
        let svg = svg(&plot_data("a", 361), &plot_query(width, "light")).unwrap();
        let sizes = svg.split("font-size=\"").skip(1);
        let sizes = sizes.map(|rest| rest.split('"').next().unwrap().parse::<f64>().unwrap());
        let smallest = sizes.fold(f64::INFINITY, f64::min) / f64::from(SCALE);
        assert!((12.0..20.0).contains(&(smallest + 1e-9)), "{smallest}");
    }
}

#[test]
fn a_long_name_is_cut_off() {
    let svg = svg(&plot_data(&"å".repeat(200), 3), &plot_query("302", "light")).unwrap();
    assert!(svg.contains("å…"), "{svg}");
}

#[test]
fn the_time_axis_spans_what_there_is() {
    for (steps, ten_minutes, hour) in [
        (0, "30", "30"),
        (1, "30", "30"),
        (3, "30", "30"),
        (4, "40", "40"),
        (60, "600", "600"),
        (61, "600", "610"),
        (361, "600", "3600"),
    ] {
        let record = record("a", steps, 400);
        let spans = Range::ALL.map(|range| PlotData::new(&record, range).span.to_string());
        assert_eq!(spans, [ten_minutes, hour], "{steps}");
    }
}

#[test]
fn steps_are_at_their_times() {
    let data = plot_data("a", 3);
    let when = data.steps.iter().map(|step| (step.begin, step.end));
    let when: Vec<_> = when.collect();
    assert_eq!(when, [(-25.0, -15.0), (-15.0, -5.0), (-5.0, 0.0)]);
    let ten = PlotData::new(&record("a", 200, 400), Range::TenMinutes);
    assert_eq!(ten.steps.len(), 61);
    assert_eq!((ten.steps[0].begin, ten.steps[0].end), (-605.0, -595.0));
    assert_eq!(ten.step_seconds().to_string(), "10");
}

#[test]
fn the_steps_of_an_hour_are_joined_in_the_same_way_at_any_time() {
    let replies = |data: &PlotData| -> u32 {
        let all = data.steps.iter();
        all.map(|step| step.step.received).sum()
    };
    let ten_steps = record("a", 361, 900);
    let received: u32 = ten_steps.steps.iter().map(|step| step.step.received).sum();
    for (current, last) in [(900, 1), (901, 2), (902, 3), (903, 1)] {
        let data = PlotData::new(&record("a", 361, current), Range::Hour);
        assert!(data.steps.len() <= 122, "{}", data.steps.len());
        assert_eq!(replies(&data), received);
        let newest = data.steps.last().unwrap();
        let begin = -5.0 - 10.0 * f64::from(last - 1);
        assert_eq!((newest.begin, newest.end), (begin, 0.0));
        assert_eq!(data.step_seconds().to_string(), "30");
        let gaps = data.steps.windows(2).map(|two| two[1].begin - two[0].end);
        assert!(gaps.map(f64::abs).all(|gap| gap < 1e-9));
    }
}
