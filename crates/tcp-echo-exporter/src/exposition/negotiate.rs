//! What the client would rather have (RFC 9110, section 12.5).

use axum::http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING},
};

use super::encode::Format;

/// One entry of a list with qualities, such as `text/*;q=0.5`.
struct Entry<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// In thousandths.
    quality: u16,
}

impl<'a> Entry<'a> {
    /// An entry, unless its quality is none.
    fn parse(entry: &'a str) -> Option<Self> {
        let mut parts = entry.split(';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let mut parameters = Vec::new();
        let mut quality = 1000;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "q" | "Q" => quality = thousandths(value)?,
                name => parameters.push((name, value)),
            }
        }
        Some(Self {
            value,
            parameters,
            quality,
        })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut named = self.parameters.iter();
        named
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// How closely it names the format; `None` where it means another.
    fn names(&self, format: Format) -> Option<u8> {
        let version = self.parameter("version");
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
                    self.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                        && self.parameter("encoding") == Some("delimited"),
                ),
            ),
        };
        if self.value.eq_ignore_ascii_case(full) {
            match versioned {
                Some(true) => Some(3),
                Some(false) => None,
                None => Some(2),
            }
        } else if self.value.eq_ignore_ascii_case(class) {
            Some(1)
        } else {
            (self.value == "*/*").then_some(0)
        }
    }
}

fn thousandths(quality: &str) -> Option<u16> {
    let quality: f32 = quality.parse().ok()?;
    let valid = (0.0..=1.0).contains(&quality);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    valid.then_some((quality * 1000.0).round() as u16)
}

/// The entries of all header lines of that name; those that make no sense are
/// passed over.
fn entries(headers: &HeaderMap, name: HeaderName) -> Vec<Entry<'_>> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(Entry::parse)
        .collect()
}

/// The format that the client prefers. The closest entry decides about a format;
/// among equals the one named more closely wins, then text, then `OpenMetrics`.
/// Where the client takes none of them it gets text, as from other exporters.
pub(crate) fn format(headers: &HeaderMap) -> Format {
    let entries = entries(headers, ACCEPT);
    let quality = |format| {
        let named = entries.iter();
        named
            .filter_map(|entry| Some((entry.names(format)?, entry.quality)))
            .max()
            .map(|(closeness, quality)| (quality, closeness))
            .filter(|(quality, _)| *quality > 0)
    };
    // Of equals, `max_by_key` takes the last.
    [Format::Protobuf, Format::OpenMetrics, Format::Text]
        .into_iter()
        .filter_map(|format| Some((quality(format)?, format)))
        .max_by_key(|(quality, _)| *quality)
        .map_or(Format::Text, |(_, format)| format)
}

/// Whether the client takes gzip, and would not rather have the plain bytes.
pub(crate) fn gzip(headers: &HeaderMap) -> bool {
    let entries = entries(headers, ACCEPT_ENCODING);
    let quality = |names: &[&str]| {
        let mut named = entries.iter();
        named
            .find(|entry| {
                names
                    .iter()
                    .any(|name| entry.value.eq_ignore_ascii_case(name))
            })
            .map(|entry| entry.quality)
    };
    let gzip = quality(&["gzip", "x-gzip"]).or_else(|| quality(&["*"]));
    let plain = quality(&["identity"]);
    gzip.is_some_and(|gzip| gzip > 0 && plain.is_none_or(|plain| gzip >= plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENMETRICS: &str = "application/openmetrics-text";
    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    /// What Prometheus 2.42 sends.
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// What Prometheus 3 sends.
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_preferred_format_is_given() {
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
            assert_eq!(format(&headers(&ACCEPT, lines)), *expected, "{lines:?}");
        }
    }

    #[test]
    fn gzip_is_given_where_it_is_taken() {
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&["gzip"], true),
            (&["GZIP, deflate, br"], true),
            (&["deflate", "x-gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.001"], true),
            (&["gzip;q=0, *"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["identity"], false),
            (&["identity;q=1, gzip;q=0.5"], false),
            (&["identity;q=0.5, gzip;q=1"], true),
            (&["br"], false),
        ];
        for (lines, expected) in table {
            assert_eq!(
                gzip(&headers(&ACCEPT_ENCODING, lines)),
                *expected,
                "{lines:?}"
            );
        }
    }
}
