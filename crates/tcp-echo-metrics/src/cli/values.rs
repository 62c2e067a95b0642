//! Values of flags that are neither durations nor addresses.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use tcp_echo_prober::Dscp;

use super::config::Percent;
use super::duration;

/// The largest loss window: ten million slots, in 1.25 MB a target.
const MAX_WINDOW: u32 = 10_000_000;

/// The most buckets that a histogram may have. Each is a series of its own for
/// every target.
const MAX_BUCKETS: usize = 200;

/// The longest name of a network interface on Linux and the BSDs.
const MAX_INTERFACE: usize = 15;

/// The most targets that may be asked for: more than one address has ports to probe from.
const MAX_TARGETS: usize = 100_000;

/// The most threads that probe.
const MAX_THREADS: usize = 1024;

/// Why a value is refused, in words that end the sentence "invalid value …:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("use a whole number from 1 to {MAX_WINDOW}")]
    Window,
    #[error("use auto or a whole number from 1 to {MAX_THREADS}")]
    Threads,
    #[error("use a whole number, 0 for no limit")]
    Limit,
    #[error("use a whole number, 1 or more")]
    Count,
    #[error("use a whole number from 1 to {MAX_TARGETS}")]
    Targets,
    #[error("use a number from 0 to 100")]
    Percent,
    #[error("use a number from 0 to 63 or a name: ef, le, va, cs0 to cs7, af11 to af43")]
    Dscp,
    #[error("not an IP address, such as 192.0.2.1 or 2001:db8::1")]
    Ip,
    #[error("not a network interface, such as eth0")]
    Interface,
    #[error("use letters, digits, '_', '-' and '.', a letter first, without the ending of a unit")]
    ServiceName,
    #[error("not the name of an account")]
    Account,
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

/// A number of slots.
pub(super) fn count(text: &str) -> Result<NonZeroU64, ValueError> {
    text.parse().map_err(|_| ValueError::Count)
}

/// A number of targets.
pub(super) fn targets(text: &str) -> Result<NonZeroUsize, ValueError> {
    text.parse()
        .ok()
        .filter(|targets: &NonZeroUsize| targets.get() <= MAX_TARGETS)
        .ok_or(ValueError::Targets)
}

/// A percentage, with or without its sign.
pub(super) fn percent(text: &str) -> Result<Percent, ValueError> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let number = number.parse().ok();
    number.and_then(Percent::new).ok_or(ValueError::Percent)
}

/// A number of threads, or `auto`.
pub(super) fn threads(text: &str) -> Result<Option<NonZeroUsize>, ValueError> {
    if text == "auto" {
        return Ok(None);
    }
    text.parse()
        .ok()
        .filter(|threads: &NonZeroUsize| threads.get() <= MAX_THREADS)
        .map(Some)
        .ok_or(ValueError::Threads)
}

/// A differentiated services code point, by number or by name.
pub(super) fn dscp(text: &str) -> Result<Dscp, ValueError> {
    text.parse().map_err(|_| ValueError::Dscp)
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

/// The longest name of a service, well below what any manager takes.
const MAX_SERVICE_NAME: usize = 100;

/// What systemd calls units that are no services, or adds to the name of one.
const UNIT_ENDINGS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// The name of a service, which is one of a file and of a variable as well.
pub(super) fn service_name(text: &str) -> Result<String, ValueError> {
    let odd = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    if !text.starts_with(|c: char| c.is_ascii_alphabetic())
        || text.len() > MAX_SERVICE_NAME
        || text.contains(odd)
        || UNIT_ENDINGS.contains(&ending)
    {
        return Err(ValueError::ServiceName);
    }
    Ok(text.to_owned())
}

/// The name of an account. Whether there is one is for the system to say; Windows has
/// backslashes and spaces in them.
pub(super) fn account(text: &str) -> Result<String, ValueError> {
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\'' | '`' | '%' | '$' | ':' | '/');
    if text.is_empty() || text.starts_with('-') || text.contains(odd) {
        return Err(ValueError::Account);
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
    fn a_service_has_a_name_that_every_manager_takes() {
        for name in ["tcp-echo-metrics", "a", "com.example.echo_2", "x.y-z."] {
            assert_eq!(service_name(name).as_deref(), Ok(name));
        }
        let long = "a".repeat(MAX_SERVICE_NAME + 1);
        for name in [
            "", "1a", "-a", ".a", "a b", "a/b", "a@b", "é", "a.socket", &long,
        ] {
            assert_eq!(service_name(name), Err(ValueError::ServiceName), "{name}");
        }
    }

    #[test]
    fn an_account_may_be_one_of_windows() {
        for name in [
            "nobody",
            r"NT AUTHORITY\LocalService",
            "_echo",
            "a@b.example",
        ] {
            assert_eq!(account(name).as_deref(), Ok(name));
        }
        for name in ["", "-a", "a\nb", "a%h", "$a", "a:b", "../a", "a\"b"] {
            assert_eq!(account(name), Err(ValueError::Account), "{name}");
        }
    }

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
    fn targets_have_a_cap() {
        assert_eq!(targets("1"), Ok(NonZeroUsize::MIN));
        assert_eq!(targets("100000").map(usize::from), Ok(MAX_TARGETS));
        for text in ["0", "-1", "100001", "", "all"] {
            assert_eq!(targets(text), Err(ValueError::Targets), "{text:?}");
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
    fn a_count_is_one_or_more() {
        assert_eq!(count("1"), Ok(NonZeroU64::MIN));
        for text in ["0", "-1", "1.5", "", "1e3"] {
            assert_eq!(count(text), Err(ValueError::Count), "{text:?}");
        }
    }

    #[test]
    fn a_percentage_is_from_0_to_100() {
        for (text, number) in [("0", 0.0), ("0.1", 0.1), ("5%", 5.0), ("100", 100.0)] {
            assert_eq!(percent(text).map(Percent::get), Ok(number));
        }
        for text in ["-1", "100.1", "NaN", "inf", "", "%", "5%%", "1,5"] {
            assert_eq!(percent(text), Err(ValueError::Percent), "{text:?}");
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
            assert_eq!(dscp(text).map(Dscp::get), Ok(point), "{text}");
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
