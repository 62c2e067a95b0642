//! Durations in files and requests.

use std::time::Duration;

/// Parses a duration above zero. An error is a text for the user.
pub(super) fn parse_positive(text: &str) -> Result<Duration, String> {
    tcp_echo_duration::parse_positive(text).map_err(|error| error.to_string())
}
