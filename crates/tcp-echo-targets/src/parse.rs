//! From the text of a targets file to what it lists.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use crate::{
    Defaults, EntryError, ParseDuration, ParseError, Place, Spec,
    labels::{self, Sorted},
};

/// The notation of a targets file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2, of which JSON is nearly a part.
    Yaml,
}

impl Format {
    /// By the end of its name: `.json` is JSON, everything else YAML.
    pub fn of(path: &Path) -> Self {
        let json = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("json");
        if path.extension().is_some_and(json) {
            Self::Json
        } else {
            Self::Yaml
        }
    }
}

/// Reads the text of a targets file: a list of entries, each in one of two forms.
///
/// - Prometheus's `file_sd`: `targets`, a list of [endpoints](crate::Endpoint), and
///   `labels` for all of them.
/// - `address`, one endpoint, with `name` and `labels` where wanted.
///
/// Labels are kept, but for these: `target` gives the name, `__probe_interval__`,
/// `__probe_timeout__` and `__probe_window__` go before the defaults, and others that
/// begin with `__` are dropped. Names need not be unique yet.
///
/// ```
/// use std::time::Duration;
/// use tcp_echo_targets::{Defaults, Format, parse};
///
/// let defaults = Defaults {
///     interval: Duration::from_millis(200),
///     timeout: Duration::from_millis(800),
///     window: 100.try_into().unwrap(),
///     stall: None,
/// };
/// let seconds = |text: &str| match text.strip_suffix('s').map(str::parse) {
///     Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
///     _ => Err("not seconds".to_owned()),
/// };
/// let text = r#"
/// - targets: ["db.example.com:4000"]
///   labels: { dc: fra, __probe_interval__: 2s }
/// - name: web
///   address: dns+web.example.com:4000
/// "#;
/// let specs = parse(text, Format::Yaml, &defaults, seconds)?;
/// assert_eq!(&**specs[0].name(), "db.example.com:4000");
/// assert_eq!(specs[0].labels()["dc"], "fra");
/// assert_eq!(specs[0].session().interval(), Duration::from_secs(2));
/// assert_eq!(&**specs[1].name(), "web");
///
/// let error = parse(r#"[{"targets": ["db"]}]"#, Format::Json, &defaults, seconds).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "entry 1, target 1: \"db\": the port is missing: write host:port, \
///      as in localhost:4000 or [::1]:4000"
/// );
/// # Ok::<(), tcp_echo_targets::ParseError>(())
/// ```
///
/// # Errors
/// [`ParseError`], with the place.
pub fn parse(
    text: &str,
    format: Format,
    defaults: &Defaults,
    duration: ParseDuration,
) -> Result<Vec<Spec>, ParseError> {
    let placed = parse_placed(text, format, defaults, duration)?;
    Ok(placed.into_iter().map(|(_, spec)| spec).collect())
}

/// The same, with the place of each in the file.
pub(crate) fn parse_placed(
    text: &str,
    format: Format,
    defaults: &Defaults,
    duration: ParseDuration,
) -> Result<Vec<(Place, Spec)>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    let entries = match format {
        Format::Json => serde_json::from_str(text).map_err(|error| json_error(&error)),
        Format::Yaml => {
            serde_saphyr::from_str_with_options(text, limits()).map_err(|error| yaml_error(&error))
        }
    }?;
    // Nothing but comments, or `null`.
    let entries: Vec<Entry> = Option::ok_or(entries, ParseError::Empty)?;
    let mut specs = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let place = Place::entry(index);
        let failed = |place| move |error| ParseError::Entry { place, error };
        let (endpoints, name, labels) = entry.parts().map_err(failed(place))?;
        let listed = endpoints.listed;
        let labels = labels::sort(labels, duration).map_err(EntryError::from);
        let labels = labels.map_err(failed(place))?;
        for (index, endpoint) in endpoints.written.into_iter().enumerate() {
            let place = if listed { place.target(index) } else { place };
            let spec = spec(endpoint, name.as_deref(), &labels, defaults);
            specs.push((place, spec.map_err(failed(place))?));
        }
    }
    Ok(specs)
}

fn spec(
    written: String,
    name: Option<&str>,
    labels: &Sorted,
    defaults: &Defaults,
) -> Result<Spec, EntryError> {
    let endpoint = match written.parse() {
        Ok(endpoint) => endpoint,
        Err(error) => return Err(EntryError::Endpoint { written, error }),
    };
    let session = defaults.session_but(labels.overrides)?;
    let spec = Spec::new(endpoint, session).with_labels(labels.kept.clone());
    Ok(match name.or(labels.name.as_deref()) {
        Some(name) => spec.named(name),
        None => spec,
    })
}

/// An entry of either form, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an entry with targets or address")]
struct Entry {
    #[serde(default, deserialize_with = "list")]
    targets: Option<Vec<String>>,
    labels: Option<Labels>,
    name: Option<String>,
    address: Option<String>,
}

/// The endpoints of an entry, and whether they stand in a list.
struct Endpoints {
    written: Vec<String>,
    listed: bool,
}

type Parts = (Endpoints, Option<String>, Vec<(String, String)>);

impl Entry {
    /// Its endpoints, name and labels, where it is of one form.
    fn parts(self) -> Result<Parts, EntryError> {
        let labels = self.labels.unwrap_or_default().0;
        let (written, listed) = match (self.targets, self.address) {
            (Some(_), Some(_)) => return Err(EntryError::BothForms),
            (None, None) => return Err(EntryError::NoForm),
            (Some(_), None) if self.name.is_some() => return Err(EntryError::NameOfList),
            (Some(targets), None) => (targets, true),
            (None, Some(address)) => (vec![address], false),
        };
        let named_twice = self.name.is_some() && labels.iter().any(|(label, _)| label == "target");
        let name = match self.name {
            Some(_) if named_twice => return Err(EntryError::NamedTwice),
            Some(name) if name.is_empty() => return Err(EntryError::EmptyName),
            Some(name) => Some(labels::checked_name(name)?),
            None => None,
        };
        Ok((Endpoints { written, listed }, name, labels))
    }
}

/// A list that is there; programs in Go write an empty one as `null`.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let list = Option::deserialize(deserializer)?;
    Ok(Some(list.unwrap_or_default()))
}

/// Labels in the order written, none twice. `null` is the empty value, as in Go.
#[derive(Default)]
struct Labels(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of labels to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs = Vec::<(String, String)>::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((label, value)) = map.next_entry::<String, Option<String>>()? {
                    if !seen.insert(label.clone()) {
                        return Err(A::Error::custom(format_args!(
                            "label {label:?} comes twice"
                        )));
                    }
                    pairs.push((label, value.unwrap_or_default()));
                }
                Ok(Labels(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// What keeps YAML's anchors from making much of little. A file of the largest size
/// without anchors stays within.
fn limits() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 16,
            max_events: 8_000_000,
            max_nodes: 4_000_000,
        },
    }
}

fn json_error(error: &serde_json::Error) -> ParseError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let suffix = format!(" at line {line} column {column}");
    let message = message.strip_suffix(&suffix).unwrap_or(&message);
    ParseError::Syntax {
        // Keys that are unknown are named as they are.
        message: message.replace(char::is_control, " "),
        // It counts columns from 0 before the first character.
        line: line.max(1) as u64,
        column: column.max(1) as u64,
    }
}

fn yaml_error(error: &serde_saphyr::Error) -> ParseError {
    let message = UserMessageFormatter.format_message(error.without_snippet());
    let message = match &*message {
        "expected sequence start" => "expected a list".to_owned(),
        "expected mapping start" => "expected a mapping".to_owned(),
        "expected string scalar" => "expected a text".to_owned(),
        other => other.replace(char::is_control, " "),
    };
    let place = error.location();
    ParseError::Syntax {
        message,
        line: place.map_or(0, |place| place.line()),
        column: place.map_or(0, |place| place.column()),
    }
}
