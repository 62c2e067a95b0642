//! The query of `/probe`, which any client may send.

use std::{num::NonZeroU32, time::Duration};

use axum::{extract::Query, http::Uri};
use tcp_echo_duration::DurationError;
use tcp_echo_prober::{Address, AddressError, SessionConfig};

const MAX_INTERVAL: Duration = Duration::from_secs(60 * 60);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// A loss window up to this size is always allowed; it takes 1.25 kB.
const WINDOW_LIMIT: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// The parameters, unparsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProbeQuery {
    pub(super) target: String,
    interval: Option<String>,
    timeout: Option<String>,
    window: Option<String>,
}

/// A valid target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProbeTarget {
    pub(super) address: Address,
    pub(super) session: SessionConfig,
}

/// Why the query is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("the target is missing: ask for /probe?target=host:port")]
    MissingTarget,
    #[error("more than one {0}: ask for one target at a time, as in /probe?target=host:port")]
    Duplicate(&'static str),
    #[error("unknown parameter {0:?}: target, interval, timeout and window are accepted")]
    Unknown(String),
    #[error("the parameters can't be read: ask for /probe?target=host:port")]
    Malformed,
    #[error("target {0:?}: {1}")]
    Address(String, AddressError),
    #[error("target {0:?}: the host is missing: write host:port")]
    MissingHost(String),
    #[error("target {0:?}: the port must be from 1 to 65535")]
    Port(String),
    #[error("{0} {1:?}: {2}")]
    Duration(&'static str, String, DurationError),
    #[error("{0} {1:?}: use a duration from {2:?} to {3:?}")]
    OutOfRange(&'static str, String, Duration, Duration),
    #[error("window {0:?}: use a whole number from 1 to {1}")]
    Window(String, NonZeroU32),
}

impl ProbeQuery {
    pub(super) fn parse(query: &str) -> Result<Self, QueryError> {
        // Pairs rather than fields, so that duplicates are detected.
        let uri = format!("/?{query}").parse::<Uri>();
        let uri = uri.map_err(|_| QueryError::Malformed)?;
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
            .map_err(|_| QueryError::Malformed)?;
        let [mut target, mut interval, mut timeout, mut window] = [const { None }; 4];
        for (name, value) in pairs {
            let (name, slot) = match &*name {
                "target" => ("target", &mut target),
                "interval" => ("interval", &mut interval),
                "timeout" => ("timeout", &mut timeout),
                "window" => ("window", &mut window),
                _ => return Err(QueryError::Unknown(name)),
            };
            if slot.replace(value).is_some() {
                return Err(QueryError::Duplicate(name));
            }
        }
        Ok(Self {
            target: target
                .filter(|target| !target.is_empty())
                .ok_or(QueryError::MissingTarget)?,
            interval,
            timeout,
            window,
        })
    }

    /// Parses the parameters and checks their limits.
    pub(super) fn validate(self, defaults: &SessionConfig) -> Result<ProbeTarget, QueryError> {
        let target = self.target;
        let address: Address = match target.parse() {
            Ok(address) => address,
            Err(AddressError::PortRange) => return Err(QueryError::Port(target)),
            Err(AddressError::List) => return Err(QueryError::Duplicate("target")),
            Err(error) => return Err(QueryError::Address(target, error)),
        };
        if address.host().is_none() {
            return Err(QueryError::MissingHost(target));
        }
        if address.port() == 0 {
            return Err(QueryError::Port(target));
        }
        let max = MAX_INTERVAL.max(defaults.interval());
        let interval = self
            .interval
            .map(|text| duration("interval", text, [defaults.interval(), max]));
        let interval = interval.transpose()?.unwrap_or(defaults.interval());
        // So at most as many probes are in flight as in the default session, or one.
        let max = defaults.timeout().max(interval);
        let min = MIN_TIMEOUT.min(defaults.timeout());
        let timeout = self
            .timeout
            .map(|text| duration("timeout", text, [min, max]));
        let timeout = timeout.transpose()?.unwrap_or(defaults.timeout());
        let max = WINDOW_LIMIT.max(defaults.window());
        let window = match self.window {
            None => defaults.window(),
            Some(text) => match text.parse() {
                Ok(window) if window <= max => window,
                _ => return Err(QueryError::Window(text, max)),
            },
        };
        let session = defaults.clone().with_interval(interval);
        let session = session.and_then(|session| session.with_timeout(timeout));
        // The values lie between the defaults and an hour, so no session rejects them.
        let session = session
            .unwrap_or_else(|_| defaults.clone())
            .with_window(window);
        Ok(ProbeTarget { address, session })
    }
}

fn duration(
    name: &'static str,
    text: String,
    [min, max]: [Duration; 2],
) -> Result<Duration, QueryError> {
    match tcp_echo_duration::parse_positive(&text) {
        Ok(duration) if (min..=max).contains(&duration) => Ok(duration),
        Ok(_) => Err(QueryError::OutOfRange(name, text, min, max)),
        Err(error) => Err(QueryError::Duration(name, text, error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn defaults() -> SessionConfig {
        let millis = Duration::from_millis;
        SessionConfig::new(millis(200), millis(800))
            .and_then(|session| session.with_stall(millis(3000)))
            .unwrap()
    }

    fn asked(query: &str) -> Result<ProbeTarget, String> {
        let query = ProbeQuery::parse(query);
        let asked = query.and_then(|query| query.validate(&defaults()));
        asked.map_err(|error| error.to_string())
    }

    #[test]
    fn a_query_is_parsed() {
        let plain = asked("target=db.example.com:4000").unwrap();
        assert_eq!(plain.address.to_string(), "db.example.com:4000");
        assert_eq!(plain.session, defaults());
        let escaped = asked("target=%5B2001:db8::1%5D%3A4000").unwrap();
        assert_eq!(escaped.address.to_string(), "[2001:db8::1]:4000");
        let all = asked("window=10000&timeout=5000ms&target=h:1&interval=5000ms").unwrap();
        let seconds = Duration::from_secs(5);
        assert_eq!(
            (all.session.interval(), all.session.timeout()),
            (seconds, seconds)
        );
        assert_eq!(all.session.window(), WINDOW_LIMIT);
        assert_eq!(all.session.stall(), defaults().stall());
    }

    #[test]
    fn an_invalid_query_says_what_is_accepted() {
        let missing = "the target is missing: ask for /probe?target=host:port";
        for (query, error) in [
            ("", missing),
            ("target=", missing),
            ("target", missing),
            ("interval=200ms", missing),
            (
                "target=a:1&target=b:1",
                "more than one target: ask for one target at a time, as in /probe?target=host:port",
            ),
            (
                "target=a:1,b:1",
                "more than one target: ask for one target at a time, as in /probe?target=host:port",
            ),
            (
                "target=a:1&window=1&window=1",
                "more than one window: ask for one target at a time, as in /probe?target=host:port",
            ),
            (
                "target=a:1&targets=b:1",
                "unknown parameter \"targets\": target, interval, timeout and window are accepted",
            ),
            (
                "target=:4000",
                "target \":4000\": the host is missing: write host:port",
            ),
            (
                "target=a:0",
                "target \"a:0\": the port must be from 1 to 65535",
            ),
            (
                "target=a",
                "target \"a\": the port is missing: write host:port, as in localhost:4000 or [::1]:4000",
            ),
            (
                "target=http://a:1/",
                "target \"http://a:1/\": not a URL: write host:port alone, as in localhost:4000",
            ),
            (
                "target=a%0A:1",
                "target \"a\\n:1\": there is white space in it: remove that",
            ),
            (
                "target=a;b:1",
                "target \"a;b:1\": no host name has ';': it has letters, digits, '-', '_' and '.'",
            ),
            (
                "target=a:70000",
                "target \"a:70000\": the port must be from 1 to 65535",
            ),
            (
                "target=[fe80::1]:1",
                "target \"[fe80::1]:1\": a link-local address needs the interface that it is on, as in [fe80::1%eth0]:4000",
            ),
            (
                "target=a:1&interval=199ms",
                "interval \"199ms\": use a duration from 200ms to 3600s",
            ),
            (
                "target=a:1&interval=3600001ms",
                "interval \"3600001ms\": use a duration from 200ms to 3600s",
            ),
            (
                "target=a:1&interval=0",
                "interval \"0\": must be more than 0",
            ),
            (
                "target=a:1&timeout=999us",
                "timeout \"999us\": use a duration from 1ms to 800ms",
            ),
            (
                "target=a:1&timeout=801ms",
                "timeout \"801ms\": use a duration from 1ms to 800ms",
            ),
            (
                "target=a:1&interval=1000ms&timeout=1001ms",
                "timeout \"1001ms\": use a duration from 1ms to 1s",
            ),
            (
                "target=a:1&window=0",
                "window \"0\": use a whole number from 1 to 10000",
            ),
            (
                "target=a:1&window=10001",
                "window \"10001\": use a whole number from 1 to 10000",
            ),
            (
                "target=a:1&window=-1",
                "window \"-1\": use a whole number from 1 to 10000",
            ),
        ] {
            assert_eq!(asked(query), Err(error.to_owned()), "{query}");
        }
    }

    proptest! {
        #[test]
        fn every_valid_query_is_within_the_limits(query in prop_oneof![
            any::<String>(),
            "(&?(target|interval|timeout|window|x)=?(h:1|\\[::1\\]:2|[0-9]{0,5}(ms)?|[ -~]{0,6})){0,5}",
        ]) {
            match asked(&query) {
                Ok(ProbeTarget { address, session }) => {
                    prop_assert!(address.port() > 0);
                    prop_assert!(session.interval() >= defaults().interval());
                    prop_assert!(session.timeout() <= defaults().timeout().max(session.interval()));
                    prop_assert!(session.window() <= WINDOW_LIMIT);
                }
                Err(why) => prop_assert!(!why.contains(char::is_control), "{}", why),
            }
        }
    }

    #[test]
    fn a_short_default_can_be_requested() {
        let micros = Duration::from_micros;
        let defaults = SessionConfig::new(micros(500), micros(400)).unwrap();
        let query = ProbeQuery::parse("target=a:1").unwrap();
        let asked = query.validate(&defaults).unwrap();
        assert_eq!(asked.session, defaults);
    }
}
