//! Round values on the axes of a plot.

use crate::page::text;

/// Logarithms and powers of ten are inexact, in a way that depends on the system. That must not
/// drop a tick.
const SLACK: f64 = 1.0 + 1e-9;

/// Returns four or five round values from 0 to `top`.
pub(super) fn linear_ticks(top: f64) -> Vec<(f64, String)> {
    let rough = top / 4.0;
    let ten = 10_f64.powf((rough * SLACK).log10().floor());
    let steps = [1.0, 2.0, 5.0];
    let step = steps.into_iter().find(|step| rough <= step * ten * SLACK);
    let every = ten * step.unwrap_or(10.0);
    (0..=5)
        .map(|index| every * f64::from(index))
        .take_while(|value| *value <= top * SLACK)
        .map(|value| (value, text::tick(value)))
        .collect()
}

/// Returns up to six round values from `low` to `high`, for a logarithmic axis of durations in
/// seconds.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let within = |digits: &[f64]| {
        let tens = (-6..=2).map(|exponent| 10_f64.powi(exponent));
        let values = tens.flat_map(|ten| digits.iter().map(move |digit| digit * ten));
        let values = values.filter(|value| (low..=high * SLACK).contains(&(value * SLACK)));
        values.collect::<Vec<_>>()
    };
    let ticks = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]].map(within);
    let ticks = ticks.into_iter().find(|ticks| ticks.len() <= 6);
    let ticks = ticks.unwrap_or_else(|| within(&[1.0]));
    let texts = ticks.iter().map(|value| text::tick(*value));
    ticks.iter().copied().zip(texts).collect()
}

/// The intervals of the time axis, in seconds.
const INTERVALS: [f64; 8] = [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0];

/// Returns the ticks of a time axis of `span` seconds and `width` pixels, relative to now.
pub(super) fn time_ticks(span: f64, width: f64) -> impl Iterator<Item = (f64, String)> {
    // Labels have 12 px; on a wide plot a few are enough.
    let between = 80.0_f64.max(width / 7.0);
    let fits = |interval: &f64| width * interval / span >= between;
    let every = INTERVALS.into_iter().find(fits).unwrap_or(span);
    (0..)
        .map(move |index| every * f64::from(index))
        .take_while(move |ago| *ago <= span * SLACK)
        .map(|ago| (-ago, time_label(ago)))
}

fn time_label(ago: f64) -> String {
    match ago {
        0.0 => "now".to_owned(),
        s if s < 60.0 => format!("{s} s ago"),
        s if s < 3600.0 => format!("{} min ago", s / 60.0),
        s => format!("{} h ago", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(ticks: impl IntoIterator<Item = (f64, String)>) -> String {
        let texts = ticks.into_iter().map(|(_, text)| text);
        texts.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn ticks_are_round() {
        for (top, texts) in [
            (0.001, "0, 500 µs, 1 ms"),
            (0.004, "0, 1 ms, 2 ms, 3 ms, 4 ms"),
            (0.0038, "0, 1 ms, 2 ms, 3 ms"),
            (1.1, "0, 500 ms, 1 s"),
        ] {
            assert_eq!(joined(linear_ticks(top)), texts);
        }
    }

    #[test]
    fn logarithmic_ticks_are_round_and_few() {
        for (low, high, texts) in [
            (0.001, 0.008, "1 ms, 2 ms, 5 ms"),
            (0.0311, 0.354, "50 ms, 100 ms, 200 ms"),
            (0.000_11, 0.09, "300 µs, 1 ms, 3 ms, 10 ms, 30 ms"),
            (5e-6, 2.8, "10 µs, 100 µs, 1 ms, 10 ms, 100 ms, 1 s"),
        ] {
            assert_eq!(joined(log_ticks(low, high)), texts);
        }
    }

    #[test]
    fn times_fit_the_axis() {
        for (span, phone, desktop) in [
            (30.0, "now, 30 s ago", "now, 10 s ago, 20 s ago, 30 s ago"),
            (
                120.0,
                "now, 1 min ago, 2 min ago",
                "now, 30 s ago, 1 min ago, 1.5 min ago, 2 min ago",
            ),
            (
                600.0,
                "now, 5 min ago, 10 min ago",
                "now, 2 min ago, 4 min ago, 6 min ago, 8 min ago, 10 min ago",
            ),
            (
                3600.0,
                "now, 30 min ago, 1 h ago",
                "now, 10 min ago, 20 min ago, 30 min ago, 40 min ago, 50 min ago, 1 h ago",
            ),
        ] {
            assert_eq!(joined(time_ticks(span, 226.0)), phone);
            assert_eq!(joined(time_ticks(span, 1076.0)), desktop);
        }
    }
}
