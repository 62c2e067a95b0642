//! Labels of an entry: kept, or settings for probing.

use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
    time::Duration,
};

use tcp_echo_duration::DurationError;

use crate::{
    Position,
    entry::{Value, Written},
    spec::Overrides,
};

/// The maximum size of a loss window, in slots: 1.25 MB per target.
const MAX_WINDOW: u32 = 10_000_000;

/// The maximum number of flows of a target: each has a connection, a schedule and counts of its own.
pub const MAX_FLOWS: u16 = 64;

/// The maximum number of labels of a target: each is in all of its series.
const MAX_LABELS: usize = 64;

/// Labels that series of a target have already.
const TAKEN: [&str; 3] = ["reason", "le", "address"];

/// Why a label, or a name given by one, can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// No valid label name in Prometheus's data model.
    #[error("the label {0:?} has no valid name: letters, digits and _, no digit first")]
    Name(String),
    /// Series of a target have it already.
    #[error("the label {0:?} is one that the metrics have themselves")]
    Taken(String),
    /// An unknown label with the prefix of settings for probing.
    #[error(
        "unknown label {0:?}: there are __probe_interval__, __probe_timeout__, __probe_window__ \
         and __probe_flows__"
    )]
    Unknown(String),
    /// There are too many.
    #[error("it has {0} labels: a target may have {MAX_LABELS}")]
    TooMany(usize),
    /// Its value is no duration above 0.
    #[error("{label}: {value:?}: {error}")]
    Duration {
        /// The label.
        label: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        error: DurationError,
    },
    /// Its value is no size of a loss window.
    #[error("__probe_window__: {0:?}: use a whole number from 1 to {MAX_WINDOW}")]
    Window(String),
    /// Its value is no number of flows.
    #[error("__probe_flows__: {0:?}: use a whole number from 1 to {MAX_FLOWS}")]
    Flows(String),
    /// The name of the target can't be shown in a line.
    #[error("the target's name {0:?} has control characters")]
    Control(String),
}

/// The labels of an entry, by purpose.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) name: Option<String>,
    /// Shared by all targets of the entry.
    pub(crate) kept: Arc<BTreeMap<String, String>>,
    pub(crate) overrides: Overrides,
}

/// Sorts `labels` by purpose. An error has the place of the label. As in Prometheus, an empty
/// value means no label.
pub(crate) fn sort<'a>(
    labels: impl Iterator<Item = &'a (String, Written<Value>)> + Clone,
) -> Result<Sorted, (Position, LabelError)> {
    let mut sorted = Sorted::default();
    for (label, value) in labels.clone() {
        let text = value.value.clone().unwrap_or_default();
        let added = sorted.add(label.clone(), text);
        added.map_err(|error| (value.position, error))?;
        if sorted.kept.len() > MAX_LABELS {
            let is_kept = |(label, value): &&(String, Written<Value>)| {
                let is_empty = value.value.as_ref().is_none_or(String::is_empty);
                !is_empty && !label.starts_with("__") && label != "target"
            };
            let count = labels.filter(is_kept).count();
            return Err((value.position, LabelError::TooMany(count)));
        }
    }
    Ok(sorted)
}

impl Sorted {
    fn add(&mut self, label: String, value: String) -> Result<(), LabelError> {
        if !is_name(&label) {
            return Err(LabelError::Name(label));
        }
        if TAKEN.contains(&&*label) {
            return Err(LabelError::Taken(label));
        }
        if value.is_empty() {
            return Ok(());
        }
        match &*label {
            "target" => self.name = Some(checked_name(value)?),
            "__probe_interval__" => {
                self.overrides.interval = Some(duration(label, value)?);
            }
            "__probe_timeout__" => self.overrides.timeout = Some(duration(label, value)?),
            "__probe_window__" => self.overrides.window = Some(window(value)?),
            "__probe_flows__" => self.overrides.flows = Some(flows(value)?),
            unknown if unknown.starts_with("__probe_") => return Err(LabelError::Unknown(label)),
            // Prometheus drops meta labels of its discovery, too.
            meta if meta.starts_with("__") => {}
            _ => {
                Arc::make_mut(&mut self.kept).insert(label, value);
            }
        }
        Ok(())
    }
}

/// Checks that the name of a target has no control characters.
pub(crate) fn checked_name(name: String) -> Result<String, LabelError> {
    if name.contains(char::is_control) {
        return Err(LabelError::Control(name));
    }
    Ok(name)
}

/// Whether a text is a label name in Prometheus's data model, `[a-zA-Z_][a-zA-Z0-9_]*`.
fn is_name(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !label.is_empty()
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && label.bytes().all(allowed)
}

/// The duration above zero that is the value of `label`.
pub(crate) fn duration(label: String, value: String) -> Result<Duration, LabelError> {
    tcp_echo_duration::parse_positive(&value).map_err(|error| LabelError::Duration {
        label,
        value,
        error,
    })
}

fn flows(value: String) -> Result<NonZeroU16, LabelError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let flows = value.parse().ok().filter(|_| digits);
    flows
        .filter(|flows: &NonZeroU16| flows.get() <= MAX_FLOWS)
        .ok_or(LabelError::Flows(value))
}

fn window(value: String) -> Result<NonZeroU32, LabelError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let size = value.parse().ok().filter(|_| digits);
    size.filter(|size: &NonZeroU32| size.get() <= MAX_WINDOW)
        .ok_or(LabelError::Window(value))
}
