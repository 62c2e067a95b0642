//! Times as text (RFC 3339), in UTC with milliseconds.

use std::{
    num::NonZeroU8,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{
    OffsetDateTime,
    format_description::well_known::{
        Iso8601, Rfc3339,
        iso8601::{Config, EncodedConfig, TimePrecision},
    },
};

/// Always with three digits of the fraction, where RFC 3339 leaves their number open.
const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZeroU8::new(3),
    })
    .encode();

/// The end of 9999.
const MAX: Duration = Duration::from_millis(253_402_300_799_999);

/// A time such as `2026-11-30T20:35:00.042Z`. Times before 1970 and after 9999 are those years' ends.
pub fn format(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.min(MAX);
    let time = OffsetDateTime::UNIX_EPOCH + since;
    // It fits: four digits of the year, and no offset.
    time.format(&Iso8601::<MILLISECONDS>).unwrap_or_default()
}

/// A time from 1970 on. What is less than a millisecond is cut off.
pub fn parse(text: &str) -> Option<SystemTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64, millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)
    }

    #[test]
    fn known_times() {
        for (seconds, millis, text) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, 7, "2000-02-29T00:00:00.007Z"),
            (1_709_251_199, 999, "2024-02-29T23:59:59.999Z"),
            (1_767_225_599, 42, "2025-12-31T23:59:59.042Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
            (MAX.as_secs(), 999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format(at(seconds, millis)), text);
            assert_eq!(parse(text), Some(at(seconds, millis)));
        }
        assert_eq!(
            format(UNIX_EPOCH - Duration::from_secs(9)),
            format(UNIX_EPOCH)
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2024-02-30T00:00:00.000Z",
            "2023-02-29T00:00:00.000Z",
            "2024-13-01T00:00:00.000Z",
            "2024-01-00T00:00:00.000Z",
            "2024-01-01T24:00:00.000Z",
            "2024-01-01T00:60:00.000Z",
            "2024-01-01T00:00:00.000+",
            "+024-01-01T00:00:00.000Z",
            "1969-12-31T00:00:00.000Z",
            "2024-01-01T00:00:00.0é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_comes_back(seconds in 0..=MAX.as_secs(), millis in 0_u64..1000) {
            let time = at(seconds, millis);
            prop_assert_eq!(parse(&format(time)), Some(time));
        }
    }
}
