//! Sparklines: the recent history of a target in one row of the table.

use std::fmt::Write as _;

use super::history::{MIN_STEPS, step::Rtt};

/// The height of a sparkline. Its width is the number of steps.
pub(crate) const HEIGHT: u32 = 40;

/// The SVG paths of a sparkline: the medians, on a logarithmic scale of at least one doubling,
/// and the losses, from the bottom up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparkline {
    pub(crate) line: String,
    pub(crate) loss: String,
}

impl Sparkline {
    /// Draws steps, given oldest first.
    pub(crate) fn of(recent: &[(Rtt, Option<f64>)]) -> Self {
        let logs = |(rtt, _): &(Rtt, _)| rtt.seconds().map(f64::log2);
        let (low, high) = recent
            .iter()
            .filter_map(logs)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| {
                (low.min(log), high.max(log))
            });
        let middle = f64::midpoint(low, high);
        let range = (high - low).max(1.0);
        let height = f64::from(HEIGHT);
        // A margin of 3 at both edges, so that the stroke is not cut.
        let y = |log: f64| ((middle - log) / range * (height - 6.0) + height / 2.0).round();
        let (mut line, mut bars) = (String::new(), String::new());
        let mut last: Option<f64> = None;
        let first = MIN_STEPS.saturating_sub(recent.len());
        for (index, step) in recent.iter().enumerate() {
            let x = first + index;
            let now = logs(step).map(y);
            let _ = match (last, now) {
                (Some(before), Some(now)) if now < before => write!(line, "l1{}", now - before),
                (Some(before), Some(now)) => write!(line, "l1 {}", now - before),
                // A single step is drawn as a dot.
                (None, Some(now)) => write!(line, "M{x} {now}h0"),
                (_, None) => Ok(()),
            };
            last = now;
            if let Some(part) = step.1.filter(|part| *part > 0.0) {
                // The smallest loss is still visible.
                let bar = (part * height).ceil().max(4.0);
                let _ = write!(bars, "M{x} {HEIGHT}v-{bar}");
            }
        }
        Self { line, loss: bars }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_ends_at_the_right_and_breaks_where_nothing_came() {
        let rtt = |millis: f64| Rtt::of(millis / 1e3);
        let recent = [
            (rtt(2.0), None),
            (rtt(1.0), Some(0.001)),
            (Rtt::default(), Some(1.0)),
            (rtt(4.0), Some(0.0)),
        ];
        let spark = Sparkline::of(&recent);
        assert_eq!(spark.line, "M56 20h0l1 17M59 3h0");
        assert_eq!(spark.loss, "M57 40v-4M58 40v-40");
        assert_eq!(Sparkline::of(&[]), Sparkline::default());
    }
}
