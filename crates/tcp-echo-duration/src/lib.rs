//! Durations in the grammar of Go's `time.ParseDuration`, which Prometheus users know:
//! `300us`, `10ms`, `1.5s`, `1h2m3s`.
//!
//! [`GoDuration`] parses and prints them exactly as Go does. Flags and files want a
//! [`Duration`], which has no sign: [`parse`] accepts 0, [`parse_positive`] does not.
//!
//! ```
//! use std::time::Duration;
//!
//! let timeout = tcp_echo_duration::parse_positive("1.5s")?;
//! assert_eq!(timeout, Duration::from_millis(1500));
//! let error = tcp_echo_duration::parse_positive("0s").unwrap_err();
//! assert_eq!(error.to_string(), "must be more than 0");
//! # Ok::<(), tcp_echo_duration::DurationError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Go's units, in nanoseconds. The micro sign has two code points, U+00B5 and
/// U+03BC; keyboards and editors produce both.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Digits after these change nothing by a nanosecond; up to these `digits × unit` fits in
/// 128 bits.
const MAX_FRACTION_DIGITS: usize = 25;

/// A duration as in Go: signed 64-bit nanoseconds, about 292 years either way.
///
/// Parses and prints the same texts as Go's `time.ParseDuration` and `String`. Fractions are
/// exact to the nanosecond and truncated below it.
///
/// ```
/// use tcp_echo_duration::GoDuration;
///
/// let duration: GoDuration = "1h2m3.5s".parse()?;
/// assert_eq!(duration.as_nanos(), 3_723_500_000_000);
/// assert_eq!(duration.to_string(), "1h2m3.5s");
/// assert_eq!("90s".parse::<GoDuration>()?.to_string(), "1m30s");
/// assert!("5".parse::<GoDuration>().is_err()); // five what?
/// # Ok::<(), tcp_echo_duration::DurationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

/// A text is no duration, or not a valid one here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It does not match the grammar.
    #[error("not a duration, such as 5ms, 1.5s or 1h2m3s")]
    Malformed,
    /// A number without a unit.
    #[error("a duration needs a unit, as in 5ms, 1.5s or 1h2m3s")]
    MissingUnit,
    /// A unit that Go does not have.
    #[error("unknown unit {0:?}: use ns, us, ms, s, m or h")]
    UnknownUnit(String),
    /// More than 64 bits of nanoseconds.
    #[error("too long: the limit is 2562047h, 292 years")]
    Overflow,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Zero, where it has no meaning.
    #[error("must be more than 0")]
    Zero,
}

impl GoDuration {
    /// A duration of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The duration in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(DurationError::Malformed);
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let (nanos, after) = term(rest)?;
            total = total.checked_add(nanos).ok_or(DurationError::Overflow)?;
            rest = after;
        }
        let nanos = if negative {
            0i64.checked_sub_unsigned(total)
        } else {
            0i64.checked_add_unsigned(total)
        };
        nanos.map(Self).ok_or(DurationError::Overflow)
    }
}

/// The nanoseconds of the first number and unit of `text`, and the rest.
fn term(text: &str) -> Result<(u64, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit);
    }
    let nanos = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| DurationError::UnknownUnit(unit.to_owned()))?
        .1;
    let fraction = fraction.get(..MAX_FRACTION_DIGITS).unwrap_or(fraction);
    let scale = fraction.bytes().fold(1u128, |scale, _| scale * 10);
    let below = number(fraction)? * u128::from(nanos) / scale;
    number(whole)?
        .checked_mul(nanos.into())
        .and_then(|above| above.checked_add(below))
        .and_then(|term| u64::try_from(term).ok())
        .map(|term| (term, rest))
        .ok_or(DurationError::Overflow)
}

/// The decimal digits at the start of `text`, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// The value of decimal digits, 0 for none.
fn number(digits: &str) -> Result<u128, DurationError> {
    if digits.is_empty() {
        return Ok(0);
    }
    digits.parse().map_err(|_| DurationError::Overflow)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        let nanos = self.0.unsigned_abs();
        let text = match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => decimal(nanos, 1_000) + "µs",
            1_000_000..SECOND => decimal(nanos, 1_000_000) + "ms",
            SECOND.. => {
                let minutes = nanos / (60 * SECOND);
                let seconds = decimal(nanos % (60 * SECOND), SECOND) + "s";
                match (minutes / 60, minutes % 60) {
                    (0, 0) => seconds,
                    (0, minutes) => format!("{minutes}m{seconds}"),
                    (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
                }
            }
        };
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

/// `value / unit` as a decimal fraction without trailing zeros. `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

impl TryFrom<GoDuration> for Duration {
    type Error = DurationError;

    fn try_from(duration: GoDuration) -> Result<Self, DurationError> {
        let nanos = u64::try_from(duration.0).map_err(|_| DurationError::Negative)?;
        Ok(Self::from_nanos(nanos))
    }
}

/// Parses a duration of 0 or more.
///
/// # Errors
/// [`DurationError`], for a text that is none or is negative.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    text.parse::<GoDuration>()?.try_into()
}

/// Parses a duration above 0.
///
/// # Errors
/// [`DurationError`], for a text that is none, is negative or is 0.
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    let duration = parse(text)?;
    if duration.is_zero() {
        return Err(DurationError::Zero);
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn printed_durations_parse_again(nanos: i64) {
            let printed = GoDuration::from_nanos(nanos).to_string();
            prop_assert_eq!(printed.parse(), Ok(GoDuration::from_nanos(nanos)));
        }

        #[test]
        fn small_printed_durations_parse_again(nanos in -2_000_000_000i64..2_000_000_000) {
            let printed = GoDuration::from_nanos(nanos).to_string();
            prop_assert_eq!(printed.parse(), Ok(GoDuration::from_nanos(nanos)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<GoDuration>();
        }

        /// A sum of terms, against a plain reading of it.
        #[test]
        fn terms_add_up(terms in prop::collection::vec((0u64..10_000, 0usize..8), 1..6)) {
            let text = terms
                .iter()
                .map(|(count, unit)| format!("{count}{}", UNITS[*unit].0))
                .collect::<Vec<_>>()
                .concat();
            let sum: u64 = terms.iter().map(|(count, unit)| count * UNITS[*unit].1).sum();
            let expected = i64::try_from(sum).map_err(|_| DurationError::Overflow);
            prop_assert_eq!(nanos(&text), expected);
        }

        #[test]
        fn no_text_that_is_nearly_a_duration_panics(text in "[-+]?[0-9.]{0,40}[hmnsuµμe. 0-9]{0,12}") {
            let _ = text.parse::<GoDuration>();
        }
    }

    fn nanos(text: &str) -> Result<i64, DurationError> {
        text.parse::<GoDuration>().map(GoDuration::as_nanos)
    }

    #[test]
    fn parses_what_go_parses() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("10ms", 10_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1.004s", 1_004_000_000),
            ("100.00100s", 100_001_000_000),
            ("300us", 300_000),
            ("300\u{b5}s", 300_000),
            ("300\u{3bc}s", 300_000),
            ("1h2m3s", 3_723_000_000_000),
            ("3s1h", 3_603_000_000_000),
            ("-2m3.4s", -123_400_000_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.100000000000000000000h", 360_000_000_000),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", i64::MAX),
            ("9223372036.854775807s", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("1.9999999999999999999999999999999999ns", 1),
            (
                "0.99999999999999999999999999999999999999999999h",
                3_599_999_999_999,
            ),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "", "+", "-", ".", ".s", "-.s", "s", "ms5", " 5s", "x", "--5s",
        ] {
            assert_eq!(nanos(text), Err(DurationError::Malformed), "{text:?}");
        }
        for text in ["5", "00", "1.5", "1s5", ".5", "5."] {
            assert_eq!(nanos(text), Err(DurationError::MissingUnit), "{text:?}");
        }
        for (text, unit) in [
            ("1e3s", "e"),
            ("5d", "d"),
            ("5 s", " s"),
            ("5S", "S"),
            ("1s ", "s "),
        ] {
            let expected = DurationError::UnknownUnit(unit.to_owned());
            assert_eq!(nanos(text), Err(expected), "{text:?}");
        }
        for text in [
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "9223372036.854775808s",
            "3000000h",
            "5124095h34m33.709551616s",
            "99999999999999999999999999999999999999999s",
        ] {
            assert_eq!(nanos(text), Err(DurationError::Overflow), "{text:?}");
        }
    }

    #[test]
    fn prints_as_go_does() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (200_000_000, "200ms"),
            (3_300_000_000, "3.3s"),
            (90_000_000_000, "1m30s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), expected);
        }
    }

    #[test]
    fn signs_and_zero_are_refused_where_they_mean_nothing() {
        assert_eq!(parse("-1s"), Err(DurationError::Negative));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse_positive("-1s"), Err(DurationError::Negative));
        assert_eq!(parse_positive("0"), Err(DurationError::Zero));
        assert_eq!(parse_positive("0.5ns"), Err(DurationError::Zero));
        assert_eq!(parse_positive("2s"), Ok(Duration::from_secs(2)));
    }
}
