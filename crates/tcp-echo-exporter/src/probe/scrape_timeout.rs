//! How long a response may take, according to Prometheus's scrape timeout.

use std::time::Duration;

use axum::http::HeaderMap;

/// Prometheus sends its scrape timeout in this header.
const HEADER: &str = "x-prometheus-scrape-timeout-seconds";

/// How long before the scrape timeout the response is sent, as in `blackbox_exporter`.
const OFFSET: Duration = Duration::from_millis(500);

/// The longest timeout, since a connection does not last longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("X-Prometheus-Scrape-Timeout-Seconds {0:?}: use a number of seconds, as in 10 or 2.5")]
pub(super) struct ScrapeTimeoutError(String);

/// Returns how long the first response about a target may wait for its result; `None` if the
/// request has no timeout.
pub(super) fn response_timeout(
    headers: &HeaderMap,
) -> Result<Option<Duration>, ScrapeTimeoutError> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let wrong = || ScrapeTimeoutError(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let text = value.to_str().map_err(|_| wrong())?;
    let seconds: f64 = text.trim().parse().map_err(|_| wrong())?;
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(wrong());
    }
    if seconds == 0.0 {
        return Ok(None);
    }
    let timeout = Duration::from_secs_f64(seconds.min(MAX_TIMEOUT.as_secs_f64()));
    // A short timeout is halved.
    Ok(Some(timeout.saturating_sub(OFFSET.min(timeout / 2))))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(value: &[u8]) -> Result<Option<Duration>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        response_timeout(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn half_a_second_is_left_or_half_of_a_short_timeout() {
        assert_eq!(response_timeout(&HeaderMap::new()), Ok(None));
        for (value, millis) in [
            ("10", 9_500),
            ("10.000000", 9_500),
            (" 2.5 ", 2_000),
            ("1", 500),
            ("0.5", 250),
            ("0.01", 5),
            ("60", 59_500),
            ("61", 59_500),
            ("1e300", 59_500),
        ] {
            let response_timeout = of(value.as_bytes());
            assert_eq!(
                response_timeout,
                Ok(Some(Duration::from_millis(millis))),
                "{value}"
            );
        }
        assert_eq!(of(b"0"), Ok(None));
        // Shorter than the clock's resolution.
        assert_eq!(of(b"1e-300"), Ok(Some(Duration::ZERO)));
    }

    #[test]
    fn an_invalid_number_of_seconds_is_rejected() {
        for value in [
            "", "ten", "10s", "-1", "-0.1", "NaN", "inf", "1 2", "\u{e4}",
        ] {
            let wanted = format!(
                "X-Prometheus-Scrape-Timeout-Seconds {value:?}: use a number of seconds, as in 10 \
                 or 2.5"
            );
            assert_eq!(of(value.as_bytes()), Err(wanted), "{value}");
        }
        assert!(of(b"\xff").is_err());
    }
}
