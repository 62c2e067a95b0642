//! Parsers of the values of flags.

use std::error::Error;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tcp_echo_duration::{DurationError, parse, parse_positive};
use tcp_echo_exporter::{GlobalLabel, GlobalLabelError};
use tcp_echo_prober::{Coalesce, Dscp, Identity, IdentityError, Trace, Wire};
use tcp_echo_targets::MAX_FLOWS;

/// The maximum of a loss window, in slots: 1.25 MB per target.
const MAX_WINDOW: u32 = 10_000_000;

/// The maximum of buckets of a histogram. Each is a series per target.
const MAX_BUCKETS: usize = 200;

/// The maximum of targets in a flag: more than one address has ports to probe from.
const MAX_TARGETS: usize = 100_000;

/// The maximum of clients with metrics of their own: three series each.
const MAX_SERVER_CLIENTS: usize = 100_000;

/// The source ports of a target's flows: below them ports need privileges, and above them there is
/// no room for 64 flows and the ports that they explore.
const SOURCE_PORTS: RangeInclusive<u16> = 1024..=64512;

/// The maximum of links with votes: a series each.
const MAX_VOTES: usize = 100_000;

/// The maximum window of wake-ups. The end of the program waits for one, too.
const MAX_COALESCE: Duration = Duration::from_millis(100);

/// The maximum of probing threads.
const MAX_THREADS: usize = 1024;

/// A value is refused. The text ends the sentence "invalid value …:".
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
    #[error("use a number from 0 to 63 or a name: ef, le, va, cs0 to cs7, af11 to af43")]
    Dscp,
    #[error("not an IP address, such as 192.0.2.1 or 2001:db8::1, and no name, as sydney-dc")]
    Ip,
    #[error("{0}; use -source NAME for this one")]
    SourceLabel(GlobalLabelError),
    #[error(transparent)]
    Label(#[from] GlobalLabelError),
    #[error("use auto or a duration, as in 500ms or 3s")]
    OrAuto,
    #[error("use auto, off, or a duration up to 100ms, as in 500us")]
    Coalesce,
    #[error("use a duration of at least 1s, or 0 for never")]
    MtuProbe,
    #[error("use 16 or 24")]
    Wire,
    #[error("use a whole number up to {MAX_SERVER_CLIENTS}, 0 for none")]
    ServerClients,
    #[error("use a whole number from 1 to {MAX_FLOWS}")]
    Flows,
    #[error("use a port from {} to {}: privileges are needed below, and there is no room for the ports of 64 flows above", SOURCE_PORTS.start(), SOURCE_PORTS.end())]
    SourcePorts,
    #[error("use off, on-loss or always")]
    Trace,
    #[error("use a whole number up to {MAX_VOTES}, 0 for none")]
    Votes,
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error("use at most {MAX_BUCKETS} buckets")]
    TooManyBuckets,
    #[error("bucket {0:?}: {1}")]
    Bucket(String, DurationError),
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

/// A limit; 0 is none.
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

/// The window of wake-ups, `auto` or `off`.
pub(super) fn coalesce(text: &str) -> Result<Coalesce, ValueError> {
    match text {
        "auto" => Ok(Coalesce::Auto),
        "off" => Ok(Coalesce::Off),
        _ => parse_positive(text)
            .ok()
            .filter(|window| *window <= MAX_COALESCE)
            .map(Coalesce::Every)
            .ok_or(ValueError::Coalesce),
    }
}

/// The length of a probe.
pub(super) fn wire(text: &str) -> Result<Wire, ValueError> {
    match text {
        "16" => Ok(Wire::Plain),
        "24" => Ok(Wire::Prefixed),
        _ => Err(ValueError::Wire),
    }
}

/// A number of clients whose way is exported.
pub(super) fn server_clients(text: &str) -> Result<usize, ValueError> {
    text.parse()
        .ok()
        .filter(|clients| *clients <= MAX_SERVER_CLIENTS)
        .ok_or(ValueError::ServerClients)
}

/// A number of flows.
pub(super) fn flows(text: &str) -> Result<NonZeroU16, ValueError> {
    text.parse()
        .ok()
        .filter(|flows: &NonZeroU16| flows.get() <= MAX_FLOWS)
        .ok_or(ValueError::Flows)
}

/// The first source port of flows.
pub(super) fn source_ports(text: &str) -> Result<NonZeroU16, ValueError> {
    text.parse()
        .ok()
        .filter(|port: &NonZeroU16| SOURCE_PORTS.contains(&port.get()))
        .ok_or(ValueError::SourcePorts)
}

/// When paths are traced.
pub(super) fn trace(text: &str) -> Result<Trace, ValueError> {
    match text {
        "off" => Ok(Trace::Off),
        "on-loss" => Ok(Trace::OnLoss),
        "always" => Ok(Trace::Always),
        _ => Err(ValueError::Trace),
    }
}

/// A number of links with votes.
pub(super) fn votes(text: &str) -> Result<usize, ValueError> {
    text.parse()
        .ok()
        .filter(|links| *links <= MAX_VOTES)
        .ok_or(ValueError::Votes)
}

/// A differentiated services code point, by number or by name.
pub(super) fn dscp(text: &str) -> Result<Dscp, ValueError> {
    text.parse().map_err(|_| ValueError::Dscp)
}

/// Where probes come from: an address to probe from, or a name for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An empty value, as scripts for the original pass it.
    Nothing,
    Address(IpAddr),
    Name(GlobalLabel),
}

/// An address of either family, or a name. What seems to be an address has to be one.
pub(super) fn source(text: &str) -> Result<Source, ValueError> {
    if text.is_empty() {
        return Ok(Source::Nothing);
    }
    if let Ok(address) = text.parse() {
        return Ok(Source::Address(address));
    }
    let are_all = |of: &[char]| text.chars().all(|c| c.is_ascii_digit() || of.contains(&c));
    let seems_v4 = text.contains('.') && are_all(&['.', ':', '/']);
    let seems_v6 = text.contains("::") || text.starts_with('[');
    if seems_v4 || seems_v6 {
        return Err(ValueError::Ip);
    }
    Ok(Source::Name(GlobalLabel::source(text)?))
}

/// The name of a node; empty if there is none.
pub(super) fn node(text: &str) -> Result<String, IdentityError> {
    Identity::new(text, "").map(|_| text.to_owned())
}

/// The name of a zone; empty if there is none.
pub(super) fn zone(text: &str) -> Result<String, IdentityError> {
    Identity::new("", text).map(|_| text.to_owned())
}

/// A label of every series.
pub(super) fn label(text: &str) -> Result<GlobalLabel, ValueError> {
    text.parse().map_err(|error| match error {
        GlobalLabelError::Taken(name) if name == "source" => {
            ValueError::SourceLabel(GlobalLabelError::Taken(name))
        }
        error => error.into(),
    })
}

/// A duration; 0 is off.
pub(super) fn duration_or_off(text: &str) -> Result<Option<Duration>, DurationError> {
    Ok(Some(parse(text)?).filter(|duration| !duration.is_zero()))
}

/// The time between checks of large packets; 0 is none. A check takes up to a few seconds.
pub(super) fn mtu_probe(text: &str) -> Result<Option<Duration>, ValueError> {
    match duration_or_off(text)? {
        Some(every) if every < Duration::from_secs(1) => Err(ValueError::MtuProbe),
        every => Ok(every),
    }
}

/// A duration above zero, or `auto`.
pub(super) fn duration_or_auto(text: &str) -> Result<Option<Duration>, ValueError> {
    if text == "auto" {
        return Ok(None);
    }
    match parse_positive(text) {
        Err(DurationError::Malformed) => Err(ValueError::OrAuto),
        duration => Ok(Some(duration?)),
    }
}

/// One of the names of a type that knows nothing of clap.
pub(super) fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// The upper bounds of a histogram's buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets(pub(super) Vec<Duration>);

/// Durations separated by commas, above zero and ascending.
pub(super) fn buckets(text: &str) -> Result<Buckets, ValueError> {
    let mut bounds: Vec<Duration> = Vec::new();
    let mut last = "";
    for item in text.split(',').map(str::trim) {
        let bound =
            parse_positive(item).map_err(|error| ValueError::Bucket(item.to_owned(), error))?;
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
    fn durations_may_be_off_or_automatic() {
        assert_eq!(duration_or_off("0s"), Ok(None));
        assert_eq!(duration_or_off("1m"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(duration_or_auto("auto"), Ok(None));
        assert_eq!(duration_or_auto("never"), Err(ValueError::OrAuto));
        let zero = DurationError::Zero.into();
        assert_eq!(duration_or_auto("0"), Err(zero));
        assert_eq!(duration_or_auto("2s"), Ok(Some(Duration::from_secs(2))));
    }

    #[test]
    fn a_source_is_an_address_or_a_name() {
        let address = |text: &str| Ok(Source::Address(text.parse().unwrap()));
        assert_eq!(source("192.0.2.1"), address("192.0.2.1"));
        assert_eq!(source("2001:db8::1"), address("2001:db8::1"));
        assert_eq!(source(""), Ok(Source::Nothing));
        for name in ["sydney-dc", "eth0", "dc:1", "10", "Zürich, 2.1", "bad.cafe"] {
            let label = GlobalLabel::source(name).unwrap();
            assert_eq!(source(name), Ok(Source::Name(label)), "{name:?}");
        }
        for text in [
            "10.0.0.300",
            "10.0.0",
            "10.0.0.1:0",
            "10.0.0.0/8",
            "fe80::1%eth0",
            "[::1]",
        ] {
            assert_eq!(source(text), Err(ValueError::Ip), "{text:?}");
        }
        let control = GlobalLabelError::Control.into();
        assert_eq!(source("a\nb"), Err(control));
    }

    #[test]
    fn a_window_of_wake_ups_has_a_maximum() {
        assert_eq!(coalesce("auto"), Ok(Coalesce::Auto));
        assert_eq!(coalesce("off"), Ok(Coalesce::Off));
        let window = |millis| Ok(Coalesce::Every(Duration::from_millis(millis)));
        assert_eq!(coalesce("1ms"), window(1));
        assert_eq!(coalesce("100ms"), window(100));
        for text in ["0", "101ms", "5", "on", ""] {
            assert_eq!(coalesce(text), Err(ValueError::Coalesce), "{text:?}");
        }
    }

    #[test]
    fn a_window_has_a_maximum() {
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
    fn flows_and_their_ports_have_bounds() {
        assert_eq!(flows("64").map(NonZeroU16::get), Ok(64));
        for text in ["0", "65", "-1", "", "many"] {
            assert_eq!(flows(text), Err(ValueError::Flows), "{text:?}");
        }
        assert_eq!(source_ports("1024").map(NonZeroU16::get), Ok(1024));
        assert_eq!(source_ports("64512").map(NonZeroU16::get), Ok(64512));
        for text in ["0", "1023", "64513", "65536", "40000-40015"] {
            assert_eq!(source_ports(text), Err(ValueError::SourcePorts), "{text:?}");
        }
        assert_eq!(
            ValueError::SourcePorts.to_string(),
            "use a port from 1024 to 64512: privileges are needed below, and there is no room for \
             the ports of 64 flows above"
        );
        assert_eq!(trace("always"), Ok(Trace::Always));
        assert_eq!(trace("loss"), Err(ValueError::Trace));
        assert_eq!(votes("0"), Ok(0));
        assert_eq!(votes("100001"), Err(ValueError::Votes));
    }

    #[test]
    fn targets_have_a_maximum() {
        assert_eq!(targets("1"), Ok(NonZeroUsize::MIN));
        assert_eq!(targets("100000").map(usize::from), Ok(MAX_TARGETS));
        for text in ["0", "-1", "100001", "", "all"] {
            assert_eq!(targets(text), Err(ValueError::Targets), "{text:?}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
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
    fn code_points_that_are_refused_say_what_is_accepted() {
        assert_eq!(dscp("af23").map(Dscp::get), Ok(22));
        for text in ["64", "cs8", "be"] {
            assert_eq!(dscp(text), Err(ValueError::Dscp), "{text:?}");
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
            Err(r#"bucket "": not a duration, such as 5ms, 1.5s or 1h2m3s"#.to_owned())
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
