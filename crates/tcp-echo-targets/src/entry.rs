//! Entries of a targets file as written, with the place of each part.

use std::{collections::HashSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{ParseError, Position};

/// A part of a file, and its place.
#[derive(Debug)]
pub(crate) struct Written<T = String> {
    pub(crate) value: T,
    pub(crate) position: Position,
}

/// The text of a label's value. `null` is the empty value, as in Go.
pub(crate) type Value = Option<String>;

/// An entry of either form. `T` is the type of its texts and `V` that of its label values, as
/// the parser of the notation returns them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an entry with targets or address")]
#[serde(bound(deserialize = "T: Deserialize<'de>, V: Deserialize<'de>"))]
pub(crate) struct Entry<T = Written, V = Written<Value>> {
    #[serde(default = "none", deserialize_with = "list")]
    pub(crate) targets: Option<Vec<T>>,
    #[serde(default)]
    pub(crate) labels: Labels<V>,
    #[serde(default = "none")]
    pub(crate) name: Option<T>,
    #[serde(default = "none")]
    pub(crate) address: Option<T>,
    #[serde(default = "none")]
    pub(crate) interval: Option<T>,
    #[serde(default = "none")]
    pub(crate) timeout: Option<T>,
}

/// Adds places to the output of a parser.
pub(crate) trait Locate<T, V> {
    fn text(&mut self, text: T) -> Result<Written, ParseError>;
    fn value(&mut self, value: V) -> Result<Written<Value>, ParseError>;
}

impl<T, V> Entry<T, V> {
    /// Adds the place of each part.
    pub(crate) fn located(self, locate: &mut impl Locate<T, V>) -> Result<Entry, ParseError> {
        let targets = self.targets.map(|targets| {
            let targets = targets.into_iter().map(|target| locate.text(target));
            targets.collect::<Result<_, _>>()
        });
        let targets = targets.transpose()?;
        let labels = self.labels.0.into_iter();
        let labels = labels.map(|(label, value)| Ok((label, locate.value(value)?)));
        Ok(Entry {
            targets,
            labels: Labels(labels.collect::<Result<_, _>>()?),
            name: self.name.map(|name| locate.text(name)).transpose()?,
            address: self.address.map(|text| locate.text(text)).transpose()?,
            interval: self.interval.map(|text| locate.text(text)).transpose()?,
            timeout: self.timeout.map(|text| locate.text(text)).transpose()?,
        })
    }
}

fn none<T>() -> Option<T> {
    None
}

/// A present list. Programs in Go write an empty one as `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let list = Option::deserialize(deserializer)?;
    Ok(Some(list.unwrap_or_default()))
}

/// Labels in the order written, without duplicates. `null` means none.
pub(crate) struct Labels<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for Labels<V> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Labels<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let labels = Option::<Pairs<V>>::deserialize(deserializer)?;
        Ok(labels.map_or_else(Self::default, |pairs| Self(pairs.0)))
    }
}

struct Pairs<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Labels<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Labels<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of labels to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
                let mut pairs = Vec::new();
                let mut seen = HashSet::new();
                while let Some((label, value)) = map.next_entry::<String, V>()? {
                    if !seen.insert(label.clone()) {
                        return Err(A::Error::custom(format_args!(
                            "label {label:?} comes twice"
                        )));
                    }
                    pairs.push((label, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Labels(PhantomData))
    }
}
