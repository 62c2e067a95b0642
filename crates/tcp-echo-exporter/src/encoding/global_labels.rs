//! Labels of every series.

use std::{str::FromStr, sync::Arc};

/// The label that [`GlobalLabel::source`] sets.
const SOURCE: &str = "source";

/// Labels that some series have themselves.
const TAKEN: [&str; 19] = [
    "address",
    "cause",
    "client",
    "direction",
    "from",
    "le",
    "outcome",
    "part",
    "peer_node",
    "peer_zone",
    "quantile",
    "reason",
    "revision",
    "rustversion",
    SOURCE,
    "target",
    "to",
    "type",
    "version",
];

/// A label for every series, as in `region=eu`.
///
/// ```
/// use tcp_echo_exporter::GlobalLabel;
///
/// let label: GlobalLabel = "region=eu".parse()?;
/// assert_eq!((label.name(), label.value()), ("region", "eu"));
/// assert!("target=db".parse::<GlobalLabel>().is_err());
/// # Ok::<(), tcp_echo_exporter::GlobalLabelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalLabel {
    name: String,
    value: String,
}

/// Why a text is no label for every series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobalLabelError {
    /// It has no `=`.
    #[error("use NAME=VALUE, as in region=eu")]
    NoValue,
    /// The name is none in Prometheus's data model.
    #[error("a name has letters, digits and _, and no digit first, as in region=eu")]
    Name,
    /// The name is for Prometheus's own use.
    #[error("names that begin with __ are internal to Prometheus")]
    Internal,
    /// Some series have a label of this name.
    #[error("the metrics themselves have the label {0}")]
    Taken(String),
    /// The value is empty, which to Prometheus is no label.
    #[error("the value is empty")]
    Empty,
    /// The value has control characters.
    #[error("the value has control characters")]
    Control,
    /// Two values for one name.
    #[error("there are two values of the label {0}")]
    Twice(String),
}

impl GlobalLabel {
    /// The label `source`, with the name of the place that is measured from.
    ///
    /// # Errors
    /// [`GlobalLabelError::Empty`] and [`GlobalLabelError::Control`].
    pub fn source(value: impl Into<String>) -> Result<Self, GlobalLabelError> {
        Ok(Self {
            name: SOURCE.to_owned(),
            value: checked_value(value.into())?,
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for GlobalLabel {
    type Err = GlobalLabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(GlobalLabelError::NoValue)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.bytes().all(allowed)
        {
            return Err(GlobalLabelError::Name);
        }
        if name.starts_with("__") {
            return Err(GlobalLabelError::Internal);
        }
        if TAKEN.contains(&name) {
            return Err(GlobalLabelError::Taken(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            value: checked_value(value.to_owned())?,
        })
    }
}

fn checked_value(value: String) -> Result<String, GlobalLabelError> {
    if value.is_empty() {
        return Err(GlobalLabelError::Empty);
    }
    if value.contains(char::is_control) {
        return Err(GlobalLabelError::Control);
    }
    Ok(value)
}

/// The labels of every series. A label of the series itself replaces one of the same name, as it
/// does with Prometheus's `external_labels`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlobalLabels(Option<Arc<[GlobalLabel]>>);

impl GlobalLabels {
    /// No labels.
    pub const fn none() -> Self {
        Self(None)
    }

    /// These labels, in their order.
    ///
    /// # Errors
    /// [`GlobalLabelError::Twice`].
    pub fn new(labels: impl IntoIterator<Item = GlobalLabel>) -> Result<Self, GlobalLabelError> {
        let labels: Vec<GlobalLabel> = labels.into_iter().collect();
        for (index, label) in labels.iter().enumerate() {
            if labels.iter().take(index).any(|one| one.name == label.name) {
                return Err(GlobalLabelError::Twice(label.name.clone()));
            }
        }
        Ok(Self((!labels.is_empty()).then(|| labels.into())))
    }

    /// Returns the names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.0.as_deref().unwrap_or_default();
        labels.iter().map(|label| (&*label.name, &*label.value))
    }

    /// Returns the labels of a series that has `own`: those, then these of other names.
    pub(crate) fn after<'a>(
        &'a self,
        own: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
        own.iter().copied().chain(self.without(is_own))
    }

    /// Returns these labels but those whose names the series has itself.
    pub(crate) fn without(
        &self,
        is_own: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(move |(name, _)| !is_own(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, String), GlobalLabelError> {
        let label: GlobalLabel = text.parse()?;
        Ok((label.name, label.value))
    }

    #[test]
    fn labels_have_names_of_prometheus_that_no_metric_has() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parse("region=eu"), pair("region", "eu"));
        assert_eq!(parse("_a1=b=\"c\", d\\"), pair("_a1", "b=\"c\", d\\"));
        assert_eq!(parse("region"), Err(GlobalLabelError::NoValue));
        assert_eq!(parse("region="), Err(GlobalLabelError::Empty));
        assert_eq!(parse("region=a\nb"), Err(GlobalLabelError::Control));
        assert_eq!(parse("__a=b"), Err(GlobalLabelError::Internal));
        for name in ["", "1a", "data-center", "größe", "a b", " a"] {
            assert_eq!(parse(&format!("{name}=b")), Err(GlobalLabelError::Name));
        }
        for name in TAKEN {
            let taken = GlobalLabelError::Taken(name.to_owned());
            assert_eq!(parse(&format!("{name}=b")), Err(taken));
        }
    }

    #[test]
    fn a_name_has_one_value() {
        let labels = ["a=1", "b=2", "a=1"].map(|text| text.parse().unwrap());
        let twice = GlobalLabelError::Twice("a".to_owned());
        assert_eq!(GlobalLabels::new(labels), Err(twice));
    }

    #[test]
    fn the_label_of_a_series_wins() {
        let labels = [GlobalLabel::source("syd").unwrap(), "a=1".parse().unwrap()];
        let labels = GlobalLabels::new(labels).unwrap();
        let of = |own: &[(&str, &str)]| {
            let labels = labels.after(own);
            labels.map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), ["source=syd", "a=1"]);
        assert_eq!(of(&[("source", "x.json")]), ["source=x.json", "a=1"]);
    }
}
