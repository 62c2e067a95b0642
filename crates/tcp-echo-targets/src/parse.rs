//! Parsing a targets file.

use std::{path::Path, time::Duration};

use crate::{
    Defaults, EntryError, LabelError, ParseError, Place, Position, Spec,
    entry::{Entry, Written},
    labels::{self, Sorted},
    notation,
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
    /// The format by the extension: `.json` is JSON, everything else YAML.
    pub fn of(path: &Path) -> Self {
        let json = |extension: &std::ffi::OsStr| extension.eq_ignore_ascii_case("json");
        if path.extension().is_some_and(json) {
            Self::Json
        } else {
            Self::Yaml
        }
    }
}

/// Parses a targets file: a list of entries, each in one of two forms.
///
/// - Prometheus's `file_sd`: `targets`, a list of [endpoints](crate::Endpoint), and
///   `labels` for all of them.
/// - `address`, one endpoint, with optional `name`, `labels`, `interval` and `timeout`. The
///   latter two override the defaults, unless they are empty or `0`.
///
/// Labels are kept, except: `target` sets the name, `__probe_interval__`,
/// `__probe_timeout__`, `__probe_window__` and `__probe_flows__` override the defaults, and others
/// that begin with `__` are dropped. Names need not be unique yet.
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
///     is_adaptive: false,
///     flows: 1.try_into().unwrap(),
/// };
/// let text = r#"
/// - targets: ["db.example.com:4000"]
///   labels: { dc: fra, __probe_interval__: 2s }
/// - name: web
///   address: web.example.com:4000
/// "#;
/// let specs = parse(text, Format::Yaml, &defaults)?;
/// assert_eq!(&**specs[0].name(), "db.example.com:4000");
/// assert_eq!(specs[0].labels()["dc"], "fra");
/// assert_eq!(specs[0].session().interval(), Duration::from_secs(2));
/// assert_eq!(&**specs[1].name(), "web");
///
/// let error = parse(r#"[{"targets": ["db"]}]"#, Format::Json, &defaults).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "line 1, column 15 (entry 1, target 1): \"db\": the port is missing: write host:port, \
///      as in localhost:4000 or [::1]:4000"
/// );
/// # Ok::<(), tcp_echo_targets::ParseError>(())
/// ```
///
/// # Errors
/// [`ParseError`], with the place.
pub fn parse(text: &str, format: Format, defaults: &Defaults) -> Result<Vec<Spec>, ParseError> {
    let placed = parse_placed(text, format, defaults)?;
    Ok(placed.into_iter().map(|(_, spec)| spec).collect())
}

/// As [`parse`], with the place of each entry.
pub(crate) fn parse_placed(
    text: &str,
    format: Format,
    defaults: &Defaults,
) -> Result<Vec<(Place, Spec)>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    let entries = match format {
        Format::Json => notation::json(text),
        Format::Yaml => notation::yaml(text),
    }?;
    // Only comments, or `null`.
    let entries = entries.ok_or(ParseError::Empty)?;
    let mut specs = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let place = |position| Place::entry(index, position);
        let failed = |place| move |error| ParseError::Entry { place, error };
        let labels = labels::sort(entry.value.labels.0.iter());
        let own = [
            ("interval", &entry.value.interval),
            ("timeout", &entry.value.timeout),
        ];
        let own = own.map(|(key, written)| own_duration(key, written.as_ref()));
        let parts = Parts::of(entry.value).map_err(|(error, position)| ParseError::Entry {
            place: place(position.unwrap_or(entry.position)),
            error,
        })?;
        let labels = labels.map_err(|(position, error)| failed(place(position))(error.into()))?;
        let mut labels = labels;
        let [interval, timeout] = own;
        let own = |own: Result<_, (Position, LabelError)>| {
            own.map_err(|(position, error)| failed(place(position))(error.into()))
        };
        let overrides = &mut labels.overrides;
        overrides.interval = own(interval)?.or(overrides.interval);
        overrides.timeout = own(timeout)?.or(overrides.timeout);
        for (target, endpoint) in parts.endpoints.into_iter().enumerate() {
            let place = place(endpoint.position);
            let place = if parts.listed {
                place.target(target)
            } else {
                place
            };
            let spec = spec(endpoint.value, parts.name.as_deref(), &labels, defaults);
            specs.push((place, spec.map_err(failed(place))?));
        }
    }
    Ok(specs)
}

/// A duration beside an address. An empty one and `0` are that of all targets.
fn own_duration(
    key: &str,
    written: Option<&Written>,
) -> Result<Option<Duration>, (Position, LabelError)> {
    let written = written.filter(|written| !matches!(&*written.value, "" | "0" | "0s"));
    let duration = written.map(|written| {
        labels::duration(key.to_owned(), written.value.clone())
            .map_err(|error| (written.position, error))
    });
    duration.transpose()
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
    let flows = labels.overrides.flows.unwrap_or(defaults.flows);
    let spec = Spec::new(endpoint, session).with_flows(flows);
    let spec = spec.sharing_labels(labels.kept.clone());
    Ok(match name.or(labels.name.as_deref()) {
        Some(name) => spec.named(name),
        None => spec,
    })
}

/// An entry without its labels.
struct Parts {
    endpoints: Vec<Written>,
    /// Whether the endpoints are in a list.
    listed: bool,
    name: Option<String>,
}

impl Parts {
    /// The parts of an entry in either form. An error has a place unless it concerns the whole
    /// entry.
    fn of(entry: Entry) -> Result<Self, (EntryError, Option<Position>)> {
        let (endpoints, listed) = match (entry.targets, entry.address) {
            (Some(_), Some(_)) => return Err((EntryError::BothForms, None)),
            (None, None) => return Err((EntryError::NoForm, None)),
            (Some(targets), None) => (targets, true),
            (None, Some(address)) => (vec![address], false),
        };
        let name = match entry.name {
            None => None,
            Some(Written { value, position }) => {
                let failed = |error| Err((error, Some(position)));
                if listed {
                    return failed(EntryError::NameOfList);
                }
                if entry.labels.0.iter().any(|(label, _)| label == "target") {
                    return failed(EntryError::NamedTwice);
                }
                if value.is_empty() {
                    return failed(EntryError::EmptyName);
                }
                match labels::checked_name(value) {
                    Ok(name) => Some(name),
                    Err(error) => return failed(error.into()),
                }
            }
        };
        Ok(Self {
            endpoints,
            listed,
            name,
        })
    }
}
