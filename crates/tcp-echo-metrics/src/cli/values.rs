//! Values of flags that are neither durations nor addresses.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::duration;

/// The largest loss window: ten million slots, in 1.25 MB a target.
const MAX_WINDOW: u32 = 10_000_000;

/// The most buckets that a histogram may have. Each is a series of its own for
/// every target.
const MAX_BUCKETS: usize = 200;

/// The longest name of a network interface on Linux and the BSDs.
const MAX_INTERFACE: usize = 15;

/// Why a value is refused, in words that end the sentence "invalid value …:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("use a whole number from 1 to {MAX_WINDOW}")]
    Window,
    #[error("use a whole number, 0 for no limit")]
    Limit,
    #[error("use a number from 0 to 63 or a name: ef, le, va, cs0 to cs7, af11 to af43")]
    Dscp,
    #[error("not an IP address, such as 192.0.2.1 or 2001:db8::1")]
    Ip,
    #[error("not a network interface, such as eth0")]
    Interface,
    #[error("use at most {MAX_BUCKETS} buckets")]
    TooManyBuckets,
    #[error("bucket {0:?}: {1}")]
    Bucket(String, duration::DurationError),
    #[error("buckets must ascend, and {1:?} is not above {0:?}")]
    Order(String, String),
}

/// The size of the loss window, in slots.
pub(super) fn window(text: &str) -> Result<NonZeroU32, ValueError> {
    text.parse()
        .ok()
        .filter(|size: &NonZeroU32| size.get() <= MAX_WINDOW)
        .ok_or(ValueError::Window)
}

/// A number of which 0 means that there is no limit.
pub(super) fn zero_is_none(text: &str) -> Result<Option<NonZeroUsize>, ValueError> {
    text.parse()
        .map(NonZeroUsize::new)
        .map_err(|_| ValueError::Limit)
}

/// A differentiated services code point, by number or by its name in the registry
/// of RFC 2474 (class selectors), RFC 2597 (assured forwarding), RFC 3246
/// (expedited forwarding), RFC 5865 (voice admit) or RFC 8622 (lower effort).
pub(super) fn dscp(text: &str) -> Result<u8, ValueError> {
    let point = match text.to_ascii_lowercase().as_bytes() {
        b"ef" => 46,
        b"le" => 1,
        b"va" => 44,
        [b'c', b's', class @ b'0'..=b'7'] => (class - b'0') * 8,
        [b'a', b'f', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
            (class - b'0') * 8 + (drop - b'0') * 2
        }
        _ => text.parse().map_err(|_| ValueError::Dscp)?,
    };
    if point > 63 {
        return Err(ValueError::Dscp);
    }
    Ok(point)
}

/// An address, of either family.
pub(super) fn ip(text: &str) -> Result<IpAddr, ValueError> {
    text.parse().map_err(|_| ValueError::Ip)
}

/// The name of a network interface. Whether there is one is for the system to say.
pub(super) fn interface(text: &str) -> Result<String, ValueError> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if text.is_empty() || text.len() > MAX_INTERFACE || text.contains(odd) {
        return Err(ValueError::Interface);
    }
    Ok(text.to_owned())
}

/// The upper bounds of a histogram's buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets(pub(super) Vec<Duration>);

/// Durations with commas between them, above zero and ascending.
pub(super) fn buckets(text: &str) -> Result<Buckets, ValueError> {
    let mut bounds: Vec<Duration> = Vec::new();
    let mut last = "";
    for item in text.split(',').map(str::trim) {
        let bound =
            duration::positive(item).map_err(|error| ValueError::Bucket(item.to_owned(), error))?;
        if bounds.last().is_some_and(|last| bound <= *last) {
            return Err(ValueError::Order(last.to_owned(), item.to_owned()));
        }
        if bounds.len() == MAX_BUCKETS {
            return Err(ValueError::TooManyBuckets);
        }
        bounds.push(bound);
        last = item;
    }
    Ok(Buckets(bounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_a_size_and_a_cap() {
        assert_eq!(window("1").map(NonZeroU32::get), Ok(1));
        assert_eq!(window("10000000").map(NonZeroU32::get), Ok(10_000_000));
        for text in [
            "0",
            "-1",
            "10000001",
            "99999999999999999999",
            "1.5",
            "",
            "ten",
        ] {
            assert_eq!(window(text), Err(ValueError::Window), "{text:?}");
        }
    }

    #[test]
    fn no_limit_is_written_as_zero() {
        assert_eq!(zero_is_none("0"), Ok(None));
        assert_eq!(zero_is_none("7"), Ok(NonZeroUsize::new(7)));
        for text in ["-1", "", "many", "99999999999999999999"] {
            assert_eq!(zero_is_none(text), Err(ValueError::Limit), "{text:?}");
        }
    }

    #[test]
    fn code_points_by_number_and_by_name() {
        for (text, point) in [
            ("0", 0),
            ("63", 63),
            ("46", 46),
            ("ef", 46),
            ("EF", 46),
            ("le", 1),
            ("va", 44),
            ("cs0", 0),
            ("cs1", 8),
            ("cs7", 56),
            ("af11", 10),
            ("af23", 22),
            ("af43", 38),
        ] {
            assert_eq!(dscp(text), Ok(point), "{text}");
        }
        for text in [
            "64", "256", "-1", "cs8", "af44", "af01", "af1", "ef ", "", "be", "0x2e",
        ] {
            assert_eq!(dscp(text), Err(ValueError::Dscp), "{text:?}");
        }
    }

    #[test]
    fn interfaces_are_names() {
        assert_eq!(interface("eth0.100"), Ok("eth0.100".to_owned()));
        for text in ["", "a b", "a/b", "a\0", "a-name-that-is-too-long"] {
            assert_eq!(interface(text), Err(ValueError::Interface), "{text:?}");
        }
    }

    #[test]
    fn buckets_are_positive_and_ascend() {
        let millis = |millis: &[u64]| {
            Ok(Buckets(
                millis.iter().copied().map(Duration::from_millis).collect(),
            ))
        };
        assert_eq!(buckets("1ms"), millis(&[1]));
        assert_eq!(buckets("1ms, 5ms,1s"), millis(&[1, 5, 1000]));
        assert_eq!(
            buckets("1ms,5ms,5000us").map_err(|error| error.to_string()),
            Err(r#"buckets must ascend, and "5000us" is not above "5ms""#.to_owned())
        );
        assert_eq!(
            buckets("1ms,").map_err(|error| error.to_string()),
            Err(
                r#"bucket "": not a duration, which is written as in 5ms, 1.5s or 1h2m3s"#
                    .to_owned()
            )
        );
        for text in ["", "0", "-1s", "1ms,0s,5ms", "0.001"] {
            assert!(
                matches!(buckets(text), Err(ValueError::Bucket(..))),
                "{text:?}"
            );
        }
        let many = |count: u32| {
            let bounds: Vec<_> = (1..=count).map(|millis| format!("{millis}ms")).collect();
            buckets(&bounds.join(","))
        };
        assert!(many(200).is_ok());
        assert_eq!(many(201), Err(ValueError::TooManyBuckets));
    }
}
