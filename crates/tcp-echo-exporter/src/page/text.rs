//! Numbers as people read them, and sparklines.

use std::fmt::Write as _;

use super::history::{MIN_STEPS, step::Rtt};

/// In three digits with the unit that fits, such as `1.23 ms`; a dash for none.
pub(crate) fn duration(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else {
        return "–".to_owned();
    };
    let (value, unit) = match seconds {
        s if s < 0.000_999_5 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// The text of a round value on an axis, such as `1.5 ms`.
pub(crate) fn tick(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s <= 0.0 => return "0".to_owned(),
        s if s < 0.000_999_5 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    // Rounds away what binary fractions add.
    format!("{} {unit}", (value * 100.0).round() / 100.0)
}

/// A part of one, such as `0.5 %`. Only nothing is `0 %`, and only all is `100 %`.
pub(crate) fn percent(part: f64) -> String {
    match 100.0 * part {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.1 => "<0.1 %".to_owned(),
        p if p < 9.95 => format!("{p:.1} %"),
        p if p < 99.5 => format!("{p:.0} %"),
        p if p < 100.0 => ">99 %".to_owned(),
        _ => "100 %".to_owned(),
    }
}

/// The part of the loss window that is lost, and the part of it that this host missed.
pub(crate) fn loss(lost: f64, missed: f64) -> String {
    if missed > 0.0 {
        format!("{} ({} missed)", percent(lost), percent(missed))
    } else {
        percent(lost)
    }
}

/// How high a sparkline is drawn; it is as wide as it has steps.
pub(crate) const SPARK_HEIGHT: u32 = 40;

/// The paths of a sparkline: the medians, on a logarithmic scale of at least one
/// doubling, and the losses, up from the bottom.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sparkline {
    pub(crate) line: String,
    pub(crate) loss: String,
}

impl Sparkline {
    /// Of steps, the last first.
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
        let height = f64::from(SPARK_HEIGHT);
        // Within 3 of both edges, so that the stroke is not cut.
        let y = |log: f64| ((middle - log) / range * (height - 6.0) + height / 2.0).round();
        let (mut line, mut bars) = (String::new(), String::new());
        let mut last: Option<f64> = None;
        let first = MIN_STEPS.saturating_sub(recent.len());
        for (index, step) in recent.iter().rev().enumerate() {
            let x = first + index;
            let now = logs(step).map(y);
            let _ = match (last, now) {
                (Some(before), Some(now)) if now < before => write!(line, "l1{}", now - before),
                (Some(before), Some(now)) => write!(line, "l1 {}", now - before),
                // A step alone is a dot.
                (None, Some(now)) => write!(line, "M{x} {now}h0"),
                (_, None) => Ok(()),
            };
            last = now;
            if let Some(part) = step.1.filter(|part| *part > 0.0) {
                // Even the least of it is seen.
                let bar = (part * height).ceil().max(4.0);
                let _ = write!(bars, "M{x} {SPARK_HEIGHT}v-{bar}");
            }
        }
        Self { line, loss: bars }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (seconds, text) in [
            (0.0, "0.00 µs"),
            (9.994e-6, "9.99 µs"),
            (9.996e-6, "10.0 µs"),
            (0.000_999_4, "999 µs"),
            (0.000_999_6, "1.00 ms"),
            (0.001_234, "1.23 ms"),
            (0.099_96, "100 ms"),
            (0.999_6, "1.00 s"),
            (86_400.0, "86400 s"),
        ] {
            assert_eq!(duration(Some(seconds)), text);
        }
        assert_eq!(duration(None), "–");
    }

    #[test]
    fn some_loss_is_never_none_and_never_all() {
        for (part, text) in [
            (0.0, "0 %"),
            (0.000_1, "<0.1 %"),
            (0.005, "0.5 %"),
            (0.099, "9.9 %"),
            (0.1, "10 %"),
            (0.999, ">99 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(part), text);
        }
    }

    #[test]
    fn what_this_host_missed_stands_beside_the_loss() {
        assert_eq!(loss(0.12, 0.0), "12 %");
        assert_eq!(loss(0.12, 0.02), "12 % (2.0 % missed)");
    }

    #[test]
    fn a_sparkline_ends_at_the_right_and_breaks_where_nothing_came() {
        let rtt = |millis: f64| Rtt::of(millis / 1e3);
        let recent = [
            (rtt(4.0), Some(0.0)),
            (Rtt::default(), Some(1.0)),
            (rtt(1.0), Some(0.001)),
            (rtt(2.0), None),
        ];
        let spark = Sparkline::of(&recent);
        assert_eq!(spark.line, "M56 20h0l1 17M59 3h0");
        assert_eq!(spark.loss, "M57 40v-4M58 40v-40");
        assert_eq!(Sparkline::of(&[]), Sparkline::default());
    }
}
