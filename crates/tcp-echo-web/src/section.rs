//! A mapping of known keys, and its entries one by one.

use std::{fmt, path::Path};

use crate::{
    WebConfigError,
    yaml::{Key, Node, Value},
};

/// A mapping of known keys.
pub(crate) struct Section<'a> {
    path: &'a Path,
    /// The parent keys, each followed by a dot.
    above: String,
    /// The line of its own key.
    pub(crate) line: u64,
    entries: Vec<(Key, Node)>,
}

/// A key and its value.
pub(crate) struct Entry<'a> {
    pub(crate) path: &'a Path,
    pub(crate) line: u64,
    /// The key with its parents.
    pub(crate) key: String,
    pub(crate) value: Value,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(path: &'a Path, node: Node, known: &[&str]) -> Result<Self, WebConfigError> {
        let root = Entry {
            path,
            line: node.line,
            key: String::new(),
            value: node.value,
        };
        root.section(known)
    }

    /// Whether it has no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the value of `key`, if there is one.
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry<'a>> {
        let index = self.entries.iter().position(|(one, _)| one.name == key)?;
        let (key, node) = self.entries.swap_remove(index);
        Some(self.entry(&key, node))
    }

    /// The remaining entries, unordered.
    pub(crate) fn rest(mut self) -> Vec<(String, Entry<'a>)> {
        let entries = std::mem::take(&mut self.entries);
        let entry = |(key, node): (Key, Node)| (key.name.clone(), self.entry(&key, node));
        entries.into_iter().map(entry).collect()
    }

    fn entry(&self, key: &Key, node: Node) -> Entry<'a> {
        Entry {
            path: self.path,
            line: key.line,
            key: format!("{}{}", self.above, key.shown()),
            value: node.value,
        }
    }

    /// An error about the missing key `name`.
    pub(crate) fn lacks(&self, name: &str, problem: impl fmt::Display) -> WebConfigError {
        WebConfigError::Key {
            path: self.path.to_owned(),
            line: self.line,
            key: format!("{}{name}", self.above),
            problem: problem.to_string(),
        }
    }
}

impl<'a> Entry<'a> {
    /// An error about this entry.
    pub(crate) fn refuse(&self, problem: impl fmt::Display) -> WebConfigError {
        WebConfigError::Key {
            path: self.path.to_owned(),
            line: self.line,
            key: self.key.clone(),
            problem: problem.to_string(),
        }
    }

    fn wrong_kind(&self, wanted: &str) -> WebConfigError {
        self.refuse(format_args!(
            "{wanted} is accepted, and this is {}",
            self.value.kind()
        ))
    }

    /// The value as a mapping of `known` keys, of any if there are none; null is an empty one.
    pub(crate) fn section(mut self, known: &[&str]) -> Result<Section<'a>, WebConfigError> {
        let entries = match std::mem::replace(&mut self.value, Value::Null) {
            Value::Null => Vec::new(),
            Value::Map(entries) => entries,
            other => {
                self.value = other;
                if self.key.is_empty() {
                    "the file".clone_into(&mut self.key);
                }
                return Err(self.wrong_kind("a mapping"));
            }
        };
        let above = match &*self.key {
            "" => String::new(),
            key => format!("{key}."),
        };
        let section = Section {
            path: self.path,
            above,
            line: self.line,
            entries,
        };
        let unknown = |(key, _): &&(Key, Node)| !known.is_empty() && !known.contains(&&*key.name);
        if let Some((key, _)) = section.entries.iter().find(unknown) {
            return Err(WebConfigError::Key {
                path: section.path.to_owned(),
                line: key.line,
                key: format!("{}{}", section.above, key.shown()),
                problem: format!("unknown key; accepted: {}", known.join(", ")),
            });
        }
        Ok(section)
    }

    /// The value as text; null and an empty text are `None`.
    pub(crate) fn text(&self) -> Result<Option<&str>, WebConfigError> {
        match &self.value {
            Value::Null => Ok(None),
            Value::Scalar(text) => Ok(Some(&**text).filter(|text| !text.is_empty())),
            Value::Bool(true) => Ok(Some("true")),
            Value::Bool(false) => Ok(Some("false")),
            Value::List(_) | Value::Map(_) => Err(self.wrong_kind("a text")),
        }
    }

    /// The value as a list of texts; null is `None`.
    pub(crate) fn list(&self) -> Result<Option<Vec<&str>>, WebConfigError> {
        let nodes = match &self.value {
            Value::Null => return Ok(None),
            Value::List(nodes) => nodes,
            _ => return Err(self.wrong_kind("a list of texts")),
        };
        let text = |node: &'_ Node| match &node.value {
            Value::Scalar(_) => Ok(()),
            other => Err(self.refuse(format_args!(
                "a list of texts is accepted, and line {} has {}",
                node.line,
                other.kind()
            ))),
        };
        nodes.iter().try_for_each(text)?;
        let texts = nodes.iter().filter_map(|node| match &node.value {
            Value::Scalar(text) => Some(&**text),
            _ => None,
        });
        Ok(Some(texts.collect()))
    }

    /// The value as a boolean, in all spellings of YAML 1.1; null is `None`.
    pub(crate) fn boolean(&self) -> Result<Option<bool>, WebConfigError> {
        let is =
            |text: &str, words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match &self.value {
            Value::Null => Ok(None),
            Value::Bool(value) => Ok(Some(*value)),
            Value::Scalar(text) if is(text, &["yes", "on", "y", "true"]) => Ok(Some(true)),
            Value::Scalar(text) if is(text, &["no", "off", "n", "false"]) => Ok(Some(false)),
            Value::Scalar(text) => {
                Err(self.refuse(format_args!("{text:?}: true or false is accepted")))
            }
            Value::List(_) | Value::Map(_) => Err(self.wrong_kind("true or false")),
        }
    }

    /// The value as one of the names in a table; null is `None`.
    pub(crate) fn one_of<T: Clone>(
        &self,
        accepted: &[(&str, T)],
    ) -> Result<Option<T>, WebConfigError> {
        match self.text()? {
            None => Ok(None),
            Some(text) => self.find(text, accepted).map(Some),
        }
    }

    /// Finds `text` in a table.
    pub(crate) fn find<T: Clone>(
        &self,
        text: &str,
        accepted: &[(&str, T)],
    ) -> Result<T, WebConfigError> {
        let found = accepted.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let names: Vec<_> = accepted.iter().map(|(name, _)| *name).collect();
            self.refuse(format_args!("{text:?}: accepted: {}", names.join(", ")))
        })
    }
}
