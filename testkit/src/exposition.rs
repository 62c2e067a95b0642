//! A parser for the Prometheus text format.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// One scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape {
    samples: BTreeMap<(String, Labels), f64>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    /// Parses the text format.
    ///
    /// # Errors
    ///
    /// If a line is malformed, or a series occurs twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut scrape = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix('#') {
                let words: Vec<&str> = comment.split_whitespace().collect();
                if let ["TYPE", name, kind] = words[..] {
                    scrape.types.insert(name.to_owned(), kind.to_owned());
                }
                continue;
            }
            let (key, value) = sample(line).with_context(|| line.to_owned())?;
            if scrape.samples.insert(key, value).is_some() {
                bail!("duplicate series: {line}");
            }
        }
        Ok(scrape)
    }

    /// Returns the only sample of this name that has at least these labels.
    ///
    /// # Errors
    ///
    /// If there is none, or more than one.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let mut found = self.matching(name, labels);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => bail!("no {name}{labels:?}"),
            _ => bail!("more than one {name}{labels:?}"),
        }
    }

    /// Returns the sum of all samples of this name that have at least these labels; 0 if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    /// Returns the samples of this name that have at least these labels.
    pub fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        let has = |found: &Labels| {
            labels
                .iter()
                .all(|(name, value)| found.get(*name).is_some_and(|found| found == value))
        };
        self.samples
            .iter()
            .filter(move |((found, labels), _)| found == name && has(labels))
            .map(|((_, labels), value)| (labels, *value))
    }

    /// Keeps only the samples for which `keep` returns true.
    pub fn retain(&mut self, keep: impl Fn(&str, &Labels) -> bool) {
        self.samples.retain(|(name, labels), _| keep(name, labels));
    }

    /// Returns all samples: name, labels, value.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Labels, f64)> {
        self.samples
            .iter()
            .map(|((name, labels), value)| (&**name, labels, *value))
    }

    /// Returns the type of a metric, such as `counter`.
    pub fn kind(&self, name: &str) -> Option<&str> {
        self.types.get(name).map(String::as_str)
    }
}

fn sample(line: &str) -> Result<((String, Labels), f64)> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_whitespace().next().context("no value")?;
    // Rust parses NaN, +Inf and -Inf in the spelling that Prometheus uses.
    Ok(((name.to_owned(), labels), value.parse()?))
}

/// Parses labels up to and including the closing brace; returns them and the rest.
fn labels(mut rest: &str) -> Result<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"").context("label without a value")?;
        let (value, end) = unquote(quoted)?;
        labels.insert(name.to_owned(), value);
        rest = &quoted[end..];
    }
}

/// Returns the text up to the closing quote, unescaped, and the offset after the quote.
fn unquote(quoted: &str) -> Result<(String, usize)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, at + 1)),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => bail!("unknown escape"),
            },
            _ => value.push(c),
        }
    }
    bail!("missing closing quote")
}

#[cfg(test)]
mod tests {
    use super::Scrape;

    const TEXT: &str = r#"
# HELP sent_total Probes "sent".
# TYPE sent_total counter
sent_total{target="a"} 3
sent_total{target="b",dc="x"} 4 1700000000000
# TYPE up gauge
up 1
strange{path="C:\\a\n\"b\", {c}",empty=""} NaN
rtt_bucket{le="+Inf",} +Inf
small 2.5e-05
"#;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let scrape = Scrape::parse(TEXT).unwrap();
        assert!((scrape.get("sent_total", &[("target", "b")]).unwrap() - 4.0).abs() < 1e-9);
        assert!((scrape.sum("sent_total", &[]) - 7.0).abs() < 1e-9);
        assert!((scrape.get("up", &[]).unwrap() - 1.0).abs() < 1e-9);
        assert!((scrape.get("small", &[]).unwrap() - 25e-6).abs() < 1e-12);
        assert!(
            scrape
                .get("rtt_bucket", &[("le", "+Inf")])
                .unwrap()
                .is_infinite()
        );
        assert_eq!(scrape.kind("sent_total"), Some("counter"));
        assert_eq!(scrape.all().count(), 6);
    }

    #[test]
    fn a_missing_or_ambiguous_sample_is_an_error() {
        let scrape = Scrape::parse(TEXT).unwrap();
        assert!(scrape.get("sent_total", &[]).is_err());
        assert!(scrape.get("sent_total", &[("target", "c")]).is_err());
        assert!(scrape.get("sent", &[]).is_err());
        assert!(scrape.sum("sent", &[]).abs() < 1e-9);
    }

    #[test]
    fn escapes_are_decoded() {
        let scrape = Scrape::parse(TEXT).unwrap();
        let (labels, value) = scrape.matching("strange", &[]).next().unwrap();
        assert_eq!(labels["path"], "C:\\a\n\"b\", {c}");
        assert_eq!(labels["empty"], "");
        assert!(value.is_nan());
    }

    #[test]
    fn malformed_lines_are_rejected() {
        for line in [
            "a",
            "a{",
            "a{b=\"c} 1",
            "a{b=\"\\x\"} 1",
            "a one",
            "a 1\na 2",
            "a{b=\"c\"}",
        ] {
            assert!(Scrape::parse(line).is_err(), "{line}");
        }
    }
}
