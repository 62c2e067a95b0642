//! Times as text (RFC 3339), in UTC with milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time such as `2026-11-30T20:35:00.042Z`. Times before 1970 and after 9999 are those years' ends.
pub fn format(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(MAX_SECONDS);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z",
        second % 60,
        since.subsec_millis()
    )
}

/// The time that [`format`] has written.
pub fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let form = b"0000-00-00T00:00:00.000Z";
    let fits = bytes.len() == form.len()
        && bytes.iter().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if !fits {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let days = days(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    let since = Duration::from_secs(seconds) + Duration::from_millis(number(20..23)?);
    UNIX_EPOCH.checked_add(since)
}

const DAY: u64 = 86_400;
/// The last second of 9999.
const MAX_SECONDS: u64 = 253_402_300_799;

/// Years begin in March here, so that a leap day is a year's last, and eras of 400 years on
/// 0000-03-01, this many days before 1970.
const FROM_ERA: u64 = 719_468;
const ERA: u64 = 146_097;

/// Year, month and day of a day since 1970.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + FROM_ERA;
    let (era, of_era) = (days / ERA, days % ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The days since 1970 of a date from then on, if there is such a date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let from_march = (month + 9) % 12;
    let year_of_march = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year_of_march / 400, year_of_march % 400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = days.checked_sub(FROM_ERA)?;
    (civil(days) == (year, month, day)).then_some(days)
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
            (MAX_SECONDS, 999, "9999-12-31T23:59:59.999Z"),
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
            "2024-01-01T00:00:00Z",
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
        fn a_time_comes_back(seconds in 0..=MAX_SECONDS, millis in 0_u64..1000) {
            let time = at(seconds, millis);
            prop_assert_eq!(parse(&format(time)), Some(time));
        }
    }
}
