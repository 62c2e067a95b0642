//! A small drawing of curves, both axes logarithmic.

const WIDTH: f64 = 534.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
/// Half of the last label of the horizontal axis.
const RIGHT: f64 = 34.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 45.0;
/// From name to name of the lines.
const NAME: f64 = 112.0;
/// Readable on light and on dark ground.
const GREY: &str = "#808080";
const COLOURS: [&str; 4] = ["#2f81c7", "#d9822b", "#3fa06b", "#b45ac2"];

/// Points of one name.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over a common axis.
pub(super) struct Plot {
    pub(super) title: &'static str,
    /// The name of the horizontal axis.
    pub(super) x: &'static str,
    pub(super) lines: Vec<Line>,
}

/// An SVG; the axes reach over whole powers of ten.
pub(super) fn draw(plot: &Plot) -> String {
    let Plot {
        title,
        x: x_title,
        lines,
    } = plot;
    let all = || lines.iter().flat_map(|line| &line.points);
    let (x_low, x_high) = decades(all().map(|point| point.0));
    let (y_low, y_high) = decades(all().map(|point| point.1));
    let x = |value: f64| LEFT + (value.log10() - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value.log10() - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n\
         <title>{title}</title>\n<text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>\n"
    );
    let mut put = |part: String| svg.extend([&*part, "\n"]);
    for power in powers(y_low, y_high) {
        let at = y(power);
        put(format!(
            "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"{GREY}\" stroke-opacity=\"0.3\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{power}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
        ));
    }
    for power in powers(x_low, x_high) {
        put(format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{power}</text>",
            x(power),
            HEIGHT - BOTTOM + 18.0,
        ));
    }
    put(format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{x_title}</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 8.0,
    ));
    for (index, (line, colour)) in lines.iter().zip(COLOURS).enumerate() {
        let places: Vec<(f64, f64)> = line.points.iter().map(|at| (x(at.0), y(at.1))).collect();
        let path: Vec<String> = places
            .iter()
            .map(|at| format!("{:.1},{:.1}", at.0, at.1))
            .collect();
        put(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        ));
        for (x, y) in places {
            put(format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
            ));
        }
        put(format!(
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            LEFT + NAME * index as f64,
            TOP - 6.0,
            line.name,
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

/// The logarithms of the powers of ten around all values, at least one apart.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values.fold(0.0, f64::max).log10().ceil();
    (low, high.max(low + 1.0))
}

fn powers(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let mut at = low;
    std::iter::from_fn(move || {
        let power = (at <= high).then(|| 10_f64.powf(at));
        at += 1.0;
        power
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, Plot, decades, draw};

    #[test]
    fn axes_reach_over_all_points() {
        assert_eq!(decades([0.5, 20.0].into_iter()), (-1.0, 2.0));
        assert_eq!(decades([10.0].into_iter()), (1.0, 2.0));
    }

    #[test]
    fn a_point_is_where_its_value_is() {
        let line = Line {
            name: "a",
            points: vec![(1.0, 1.0), (100.0, 10.0)],
        };
        let svg = draw(&Plot {
            title: "curve",
            x: "targets",
            lines: vec![line],
        });
        assert!(svg.contains(">targets</text>"), "{svg}");
        assert!(svg.contains("points=\"70.0,255.0 500.0,40.0\""), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
