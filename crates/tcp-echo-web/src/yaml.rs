//! YAML as a tree with line numbers.
//!
//! A tree rather than serde's structs, so that all messages are from this crate: those of serde
//! quote unexpected values, which may be passwords.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use crate::WebConfigError;

/// A value, and its first line, from 1.
pub(crate) struct Node {
    pub(crate) line: u64,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number or text.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

pub(crate) struct Key {
    pub(crate) line: u64,
    pub(crate) name: String,
}

impl Key {
    /// The name, with control characters escaped.
    pub(crate) fn shown(&self) -> impl fmt::Display + '_ {
        self.name.escape_debug()
    }
}

impl Value {
    /// The kind of the value, without its content.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Scalar(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Parses `text`, the content of `path`. Only comments are `Null`.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Node, WebConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = serde_saphyr::from_str_with_options::<Option<Node>>(text, limits());
    let node = parsed.map_err(|error| {
        let place = error.location();
        let message = UserMessageFormatter.format_message(error.without_snippet());
        WebConfigError::Syntax {
            path: path.to_owned(),
            line: place.map_or(0, |place| place.line()),
            column: place.map_or(0, |place| place.column()),
            message: message.replace(char::is_control, " "),
        }
    })?;
    Ok(node.unwrap_or(Node {
        line: 1,
        value: Value::Null,
    }))
}

/// Limits against YAML bombs.
fn limits() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: 8,
            max_events: 100_000,
            max_nodes: 50_000,
        },
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            line: spanned.referenced.line(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::<(Key, Node)>::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let (line, name) = (key.referenced.line(), key.value);
            if entries.iter().any(|(other, _)| other.name == name) {
                return Err(A::Error::custom(format_args!("{name:?} comes twice")));
            }
            entries.push((Key { line, name }, map.next_value()?));
        }
        Ok(Value::Map(entries))
    }
}
