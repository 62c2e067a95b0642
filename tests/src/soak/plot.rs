//! Plots memory, open files and CPU time over the run.

use std::fmt::Write as _;

use super::growth::{Sample, cpu_per_probe};

const WIDTH: f64 = 640.0;
const PANEL: f64 = 130.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 15.0;
const TOP: f64 = 30.0;
/// Readable on light and dark backgrounds.
const GREY: &str = "#808080";
const COLOURS: [&str; 2] = ["#2f81c7", "#d9822b"];

/// The samples of one process.
pub(super) struct Line<'a> {
    pub(super) name: &'static str,
    pub(super) samples: &'a [Sample],
}

type Value = fn(&[Sample]) -> Vec<(f64, f64)>;

const PANELS: [(&str, Value); 3] = [
    ("memory, MiB", |samples| {
        let of = |one: &Sample| (one.seconds, one.memory_kib as f64 / 1024.0);
        samples.iter().map(of).collect()
    }),
    ("open files", |samples| {
        let of = |one: &Sample| (one.seconds, one.files as f64);
        samples.iter().map(of).collect()
    }),
    ("CPU time per probe, µs", |samples| {
        // Over ten samples, since the resolution is only a hundredth of a second.
        let of = |ten: &[Sample]| (ten[9].seconds, cpu_per_probe(&ten[0], &ten[9]));
        samples.windows(10).map(of).collect()
    }),
];

/// Draws an SVG; each vertical axis begins at 0.
pub(super) fn draw(title: &str, lines: &[Line<'_>]) -> String {
    let height = PANEL * PANELS.len() as f64 + TOP + 15.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"{GREY}\">\n\
         <title>{title}</title>\n<text x=\"{LEFT}\" y=\"16\" font-size=\"13\">{title}</text>\n"
    );
    for (index, (name, value)) in PANELS.into_iter().enumerate() {
        let top = TOP + PANEL * index as f64 + 18.0;
        let points: Vec<_> = lines.iter().map(|line| value(line.samples)).collect();
        panel(&mut svg, name, top, &points);
    }
    for (index, (line, colour)) in lines.iter().zip(COLOURS).enumerate() {
        let x = WIDTH - RIGHT - 70.0 * (index + 1) as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            TOP + 10.0,
            line.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, name: &str, top: f64, lines: &[Vec<(f64, f64)>]) {
    let all = || lines.iter().flatten();
    let max = round_up(all().map(|point| point.1).fold(0.0, f64::max));
    let end = all().map(|point| point.0).fold(1.0, f64::max);
    let bottom = top + PANEL - 40.0;
    let x = |value: f64| LEFT + value / end * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| bottom - value / max * (bottom - top);
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">{name}</text>",
        top - 6.0
    );
    for tick in [0.0, max / 2.0, max] {
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(tick) + 4.0,
            at = y(tick),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{end:.0} s</text>",
        WIDTH - RIGHT,
        bottom + 14.0
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let points: Vec<String> = line
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
            points.join(" ")
        );
    }
}

/// Rounds up to 1, 2, 4, 6, 8 or 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0];
    let step = steps.into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::{Line, Sample, draw, round_up};

    #[test]
    fn axes_end_at_round_numbers() {
        assert!((round_up(13.0) - 20.0).abs() < 1e-9);
        assert!((round_up(99.0) - 100.0).abs() < 1e-9);
        assert!((round_up(4.0) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_sample_is_drawn_at_its_value() {
        let sample = |seconds| Sample {
            seconds,
            memory_kib: 10 * 1024,
            files: 5,
            cpu: 0,
            probes: 0,
        };
        let samples: Vec<_> = (0..=10).map(|n| sample(f64::from(n))).collect();
        let svg = draw(
            "a",
            &[Line {
                name: "b",
                samples: &samples,
            }],
        );
        // The axis ends at 10, the value is at its top.
        assert!(svg.contains("60.0,48.0 116.5,48.0"), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
