use super::{painter::linear_ticks, *};
use crate::page::history::{STEP, step::Step};

fn plot_data(name: &str, steps: usize) -> PlotData {
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
        }
    };
    PlotData {
        name: name.to_owned(),
        steps: (0..steps).map(step).collect(),
        current_age: STEP / 2,
        minutes: 60.0,
    }
}

fn plot_query(width: &str, theme: &str) -> PlotQuery {
    let json = format!("{{\"target\": \"\", \"width\": {width}, \"theme\": \"{theme}\"}}");
    serde_json::from_str(&json).unwrap()
}

#[test]
fn every_history_can_be_plotted() {
    for steps in [0, 1, 2, 59, 361] {
        for (width, theme) in [("0", "light"), ("960", "dark"), ("4000000000", "light")] {
            let svg = svg(&plot_data("a", steps), &plot_query(width, theme)).unwrap();
            assert!(svg.starts_with("<svg width="), "{svg}");
            assert!(svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.len() < 400_000, "{}", svg.len());
        }
    }
    let svg = svg(&plot_data("a", 361), &plot_query("4000000000", "light")).unwrap();
    assert!(svg.starts_with("<svg width=\"2000\" height=\"484\" viewBox=\"0 0 8000 1936\""));
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
fn steps_are_at_their_times() {
    let data = plot_data("a", 3);
    let seconds = |(begin, end): (f64, f64)| ((begin * 60.0).round(), (end * 60.0).round());
    let when = [0, 1, 2].map(|index| seconds(data.when(index)));
    assert_eq!(when, [(-25.0, -15.0), (-15.0, -5.0), (-5.0, 0.0)]);
}

#[test]
fn ticks_are_round() {
    let texts = |top| {
        let ticks = linear_ticks(top).into_iter();
        ticks.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(0.001), "0 500 µs 1 ms");
    assert_eq!(texts(0.004), "0 1 ms 2 ms 3 ms 4 ms");
    assert_eq!(texts(0.0038), "0 1 ms 2 ms 3 ms");
    assert_eq!(texts(1.1), "0 500 ms 1 s");
}
