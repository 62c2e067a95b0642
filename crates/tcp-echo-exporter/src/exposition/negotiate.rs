//! Negotiation of the format (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header::ACCEPT};

use crate::{
    encoding::format::Format,
    http::accept::{Entry, entries},
};

/// Ranks how specifically an entry names the format; `None` if it names another.
fn closeness(entry: &Entry<'_>, format: Format) -> Option<u8> {
    let version = entry.parameter("version");
    let (full, class, versioned) = match format {
        Format::Text => ("text/plain", "text/*", version.map(|v| v == "0.0.4")),
        Format::OpenMetrics => (
            "application/openmetrics-text",
            "application/*",
            version.map(|v| v == "1.0.0"),
        ),
        Format::Protobuf => (
            "application/vnd.google.protobuf",
            "application/*",
            Some(
                entry.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && entry.parameter("encoding") == Some("delimited"),
            ),
        ),
    };
    if entry.value.eq_ignore_ascii_case(full) {
        match versioned {
            Some(true) => Some(3),
            Some(false) => None,
            None => Some(2),
        }
    } else if entry.value.eq_ignore_ascii_case(class) {
        Some(1)
    } else {
        (entry.value == "*/*").then_some(0)
    }
}

/// Chooses the format that the client prefers. The most specific entry determines the quality
/// of a format. Between equal qualities the more specific entry wins, then text, then
/// `OpenMetrics`. A client that accepts none of them gets text, as from other exporters.
pub(crate) fn format(headers: &HeaderMap) -> Format {
    let entries = entries(headers, ACCEPT);
    let quality = |format| {
        let named = entries.iter();
        named
            .filter_map(|entry| Some((closeness(entry, format)?, entry.quality)))
            .max()
            .map(|(closeness, quality)| (quality, closeness))
            .filter(|(quality, _)| *quality > 0)
    };
    // `max_by_key` returns the last of equal elements.
    [Format::Protobuf, Format::OpenMetrics, Format::Text]
        .into_iter()
        .filter_map(|format| Some((quality(format)?, format)))
        .max_by_key(|(quality, _)| *quality)
        .map_or(Format::Text, |(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENMETRICS: &str = "application/openmetrics-text";
    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    /// The header of Prometheus 2.42.
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// The header of Prometheus 3.
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_preferred_format_is_chosen() {
        use Format::{OpenMetrics, Protobuf, Text};
        let proto_first = format!("{PROTOBUF};q=0.7,{PROMETHEUS_3}");
        let table: &[(&[&str], Format)] = &[
            (&[], Text),
            (&[""], Text),
            (&["*/*"], Text),
            (&[BROWSER], Text),
            (&[PROMETHEUS_2], OpenMetrics),
            (&[PROMETHEUS_3], OpenMetrics),
            (&[&proto_first], Protobuf),
            (&[PROTOBUF], Protobuf),
            (&["application/vnd.google.protobuf"], Text),
            (
                &[
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                ],
                Text,
            ),
            (&[OPENMETRICS], OpenMetrics),
            (
                &["Application/OpenMetrics-Text; Version=\"1.0.0\""],
                OpenMetrics,
            ),
            (&["application/openmetrics-text;version=2.0.0"], Text),
            (
                &["application/openmetrics-text;version=0.0.1,text/plain;q=0.1"],
                Text,
            ),
            (
                &["application/openmetrics-text;q=0.5,text/plain;q=0.4"],
                OpenMetrics,
            ),
            (
                &["application/openmetrics-text;q=0.4,text/plain;q=0.5"],
                Text,
            ),
            (
                &["application/openmetrics-text;q=0.5", "text/plain;q=0.4"],
                OpenMetrics,
            ),
            (&["application/openmetrics-text,text/plain"], Text),
            (&["application/openmetrics-text,*/*"], OpenMetrics),
            (&["application/openmetrics-text;q=0,*/*"], Text),
            (&["text/plain;q=0,*/*;q=0.1"], OpenMetrics),
            (&["text/*;q=0.5,application/*;q=0.4"], Text),
            (&["application/*"], OpenMetrics),
            (&["application/openmetrics-text;q=2"], Text),
            (&["application/openmetrics-text;q=x,text/plain;q=0.1"], Text),
            (&["application/json"], Text),
            (&["*/*;q=0"], Text),
            (&[",;=;q=,,"], Text),
        ];
        for (lines, expected) in table {
            assert_eq!(format(&headers(lines)), *expected, "{lines:?}");
        }
    }
}
