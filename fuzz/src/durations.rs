//! Fuzzes the parser of durations against a model of Go's grammar, and against printed durations.

use tcp_echo_duration::{DurationError, GoDuration, parse_positive};

/// The first eight bytes are a duration to print; the whole input is a text to parse.
pub fn run(data: &[u8]) {
    if let Some(nanos) = data.first_chunk() {
        let duration = GoDuration::from_nanos(i64::from_le_bytes(*nanos));
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = text.parse::<GoDuration>();
    match (&parsed, model(text)) {
        (Ok(duration), Some((nanos, tolerance))) => {
            let difference = i128::from(duration.as_nanos()) - nanos;
            assert!(
                difference.abs() <= tolerance,
                "{text:?} parses as {duration}"
            );
            assert_eq!(duration.to_string().parse(), Ok(*duration));
        }
        (Err(DurationError::Overflow), Some((nanos, tolerance))) => {
            let near = i64::try_from(nanos.abs() + tolerance).is_err();
            assert!(near || nanos.abs() > i128::from(i64::MAX), "{text:?}");
        }
        (Ok(duration), None) => panic!("{text:?} is invalid, but parses as {duration}"),
        (Err(_), None) => {}
        (Err(error), Some(_)) => panic!("{text:?} is valid, but: {error:?}"),
    }
    let positive = parse_positive(text);
    let above = parsed.ok().filter(|parsed| parsed.as_nanos() > 0);
    assert_eq!(positive.is_ok(), above.is_some());
    if let (Ok(duration), Some(above)) = (positive, above) {
        assert_eq!(duration.as_nanos(), above.as_nanos().unsigned_abs().into());
    }
}

/// More than any duration, and far below the maximum of its type.
const ENDLESS: i128 = 1 << 100;

/// Parses `[-+]?(0|([0-9]*(\.[0-9]*)?unit)+)`; returns the nanoseconds, and the tolerance for truncated
/// fractions.
fn model(text: &str) -> Option<(i128, i128)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1 } else { 1 };
    if unsigned == "0" {
        return Some((0, 0));
    }
    let (mut total, mut tolerance) = (0i128, 0);
    let mut rest = unsigned;
    let in_number = |c: char| c == '.' || c.is_ascii_digit();
    loop {
        let (number, after) = split_before(rest, |c| !in_number(c));
        let (unit, after) = split_before(after, in_number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole = whole.bytes().fold(0, |value: i128, digit| {
            (value * 10 + i128::from(digit - b'0')).min(ENDLESS)
        });
        // Further digits add less than a millionth of a nanosecond.
        let mut below = 0;
        let digits = fraction.bytes().take(18);
        for (place, digit) in (1..).zip(digits) {
            below += i128::from(digit - b'0') * unit * 10i128.pow(18 - place);
        }
        total = (total + whole.min(ENDLESS / unit) * unit + below / 10i128.pow(18)).min(ENDLESS);
        tolerance += i128::from(fraction.len() > 18);
        rest = after;
        if rest.is_empty() {
            return Some((sign * total, tolerance));
        }
    }
}

/// Splits before the first matching character.
fn split_before(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}
