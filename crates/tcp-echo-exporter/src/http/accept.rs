//! Parsing of `Accept` headers (RFC 9110, section 12.5).

use axum::http::{HeaderMap, HeaderName, header::ACCEPT_ENCODING};

/// One element of a list with qualities, such as `text/*;q=0.5`.
pub(crate) struct Entry<'a> {
    pub(crate) value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// In thousandths.
    pub(crate) quality: u16,
}

impl<'a> Entry<'a> {
    /// Parses an entry; `None` if its quality is invalid.
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

    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut named = self.parameters.iter();
        named
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
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

/// Returns the entries of all header lines of that name, without invalid ones.
pub(crate) fn entries(headers: &HeaderMap, name: HeaderName) -> Vec<Entry<'_>> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(Entry::parse)
        .collect()
}

/// Returns whether the client accepts gzip and does not prefer the plain bytes.
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

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn gzip_is_used_if_accepted() {
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
            assert_eq!(gzip(&headers(lines)), *expected, "{lines:?}");
        }
    }
}
