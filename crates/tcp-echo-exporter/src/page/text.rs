//! Formatting of numbers for people.

/// Formats three digits with the unit that fits, such as `1.23 ms`; a dash for `None`.
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

/// Formats a round value on an axis, such as `1.5 ms`.
pub(crate) fn tick(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s <= 0.0 => return "0".to_owned(),
        s if s < 0.000_999_5 => (s * 1e6, "µs"),
        s if s < 0.999_5 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    // Removes the error of binary fractions.
    format!("{} {unit}", (value * 100.0).round() / 100.0)
}

/// Formats a time before now, such as `40 s ago` or `4 min 20 s ago`.
pub(crate) fn ago(seconds: f64) -> String {
    let seconds = seconds.round();
    let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
    match (minutes, rest) {
        (m, s) if m <= 0.0 && s <= 0.0 => "now".to_owned(),
        (m, s) if m <= 0.0 => format!("{s} s ago"),
        (m, s) if s <= 0.0 => format!("{m} min ago"),
        (m, s) => format!("{m} min {s} s ago"),
    }
}

/// Formats a fraction as a percentage, such as `0.5 %`. Only 0 is `0 %`, and only 1 is `100 %`.
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

/// Formats the lost fraction of the loss window, and the part of it that this host missed.
pub(crate) fn loss(lost: f64, missed: f64) -> String {
    if missed > 0.0 {
        format!("{} ({} missed)", percent(lost), percent(missed))
    } else {
        percent(lost)
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
    fn times_before_now_have_minutes_and_seconds() {
        for (seconds, text) in [
            (0.0, "now"),
            (0.4, "now"),
            (10.2, "10 s ago"),
            (59.7, "1 min ago"),
            (61.0, "1 min 1 s ago"),
            (600.0, "10 min ago"),
            (3595.0, "59 min 55 s ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
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
    fn missed_slots_are_shown_beside_the_loss() {
        assert_eq!(loss(0.12, 0.0), "12 %");
        assert_eq!(loss(0.12, 0.02), "12 % (2.0 % missed)");
    }
}
