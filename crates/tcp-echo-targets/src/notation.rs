//! Parsing JSON and YAML to entries and their places.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_saphyr::{
    Error, Location, MessageFormatter, Spanned, UserMessageFormatter, budget::BudgetBreach,
};

use crate::{
    ParseError, Position,
    entry::{Entry, Locate, Value, Written},
};

/// The error of a second list in a file.
const SECOND: &str = "a second list begins here: a file has one, with all entries";

/// The entries of a text in JSON; `None` is `null`.
pub(crate) fn json(text: &str) -> Result<Option<Vec<Written<Entry>>>, ParseError> {
    let mut cursor = Cursor::new(text);
    let raw: Option<Vec<&RawValue>> =
        serde_json::from_str(text).map_err(|error| json_error(&error, Position::FIRST))?;
    let entries = raw.map(|raw| {
        let entries = raw.into_iter().map(|raw| {
            let position = cursor.begin(raw);
            let entry: Entry<&RawValue, &RawValue> = of_raw(raw, position)?;
            let value = entry.located(&mut cursor)?;
            Ok(Written { value, position })
        });
        entries.collect()
    });
    entries.transpose()
}

/// The entries of a text in YAML; `None` is a text without any value.
pub(crate) fn yaml(text: &str) -> Result<Option<Vec<Written<Entry>>>, ParseError> {
    type Entries = Vec<Spanned<Entry<Spanned<String>, Spanned<Value>>>>;
    let entries: Option<Entries> =
        serde_saphyr::from_str_with_options(text, limits()).map_err(|error| yaml_error(&error))?;
    let entries = entries.map(|entries| {
        let entries = entries.into_iter().map(|entry| {
            Ok(Written {
                position: entry.referenced.into(),
                value: entry.value.located(&mut Spans)?,
            })
        });
        entries.collect()
    });
    entries.transpose()
}

/// A cursor in a JSON text that finds the places of its parts. It returns no further than to the
/// beginning of an entry, so that the time is linear in the length of the list.
struct Cursor<'a> {
    text: &'a str,
    entry: (usize, Position),
    now: (usize, Position),
}

impl<'a> Cursor<'a> {
    const fn new(text: &'a str) -> Self {
        let start = (0, Position::FIRST);
        Self {
            text,
            entry: start,
            now: start,
        }
    }

    /// Goes to the next entry.
    fn begin(&mut self, entry: &RawValue) -> Position {
        let position = self.go(entry);
        self.entry = self.now;
        position
    }

    /// Goes to a part that was borrowed from the text.
    fn go(&mut self, part: &RawValue) -> Position {
        let start = self.text.as_ptr().addr();
        let offset = part.get().as_ptr().addr().saturating_sub(start);
        if offset < self.now.0 {
            self.now = self.entry;
        }
        let (from, mut position) = self.now;
        for c in self.text.get(from..offset).unwrap_or_default().chars() {
            if c == '\n' {
                position.line += 1;
                position.column = 1;
            } else {
                position.column += 1;
            }
        }
        self.now = (offset, position);
        position
    }

    fn read<'de, T: Deserialize<'de>>(
        &mut self,
        raw: &'de RawValue,
    ) -> Result<Written<T>, ParseError> {
        let position = self.go(raw);
        let value = of_raw(raw, position)?;
        Ok(Written { value, position })
    }
}

impl Locate<&RawValue, &RawValue> for Cursor<'_> {
    fn text(&mut self, text: &RawValue) -> Result<Written, ParseError> {
        self.read(text)
    }

    fn value(&mut self, value: &RawValue) -> Result<Written<Value>, ParseError> {
        self.read(value)
    }
}

/// The YAML parser has the places itself.
struct Spans;

impl Locate<Spanned<String>, Spanned<Value>> for Spans {
    fn text(&mut self, text: Spanned<String>) -> Result<Written, ParseError> {
        Ok(text.into())
    }

    fn value(&mut self, value: Spanned<Value>) -> Result<Written<Value>, ParseError> {
        Ok(value.into())
    }
}

impl<T> From<Spanned<T>> for Written<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Self {
            position: spanned.referenced.into(),
            value: spanned.value,
        }
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        // Bounded by the size of the file.
        let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: narrow(location.line()),
            column: narrow(location.column()),
        }
    }
}

/// A part of a text that begins at `position`.
fn of_raw<'a, T: Deserialize<'a>>(raw: &'a RawValue, position: Position) -> Result<T, ParseError> {
    serde_json::from_str(raw.get()).map_err(|error| json_error(&error, position))
}

/// The error of a text, or of a part that begins at `start`.
fn json_error(error: &serde_json::Error, start: Position) -> ParseError {
    // Column 0 is before the first character.
    let [line, column] =
        [error.line(), error.column()].map(|n| u32::try_from(n.max(1)).unwrap_or(u32::MAX));
    let message = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    let message = match message.strip_suffix(&suffix).unwrap_or(&message) {
        "trailing characters" => SECOND.to_owned(),
        // Unknown keys are quoted as they are.
        message => message.replace(char::is_control, " "),
    };
    let column = if line == 1 {
        start.column + column - 1
    } else {
        column
    };
    ParseError::Syntax {
        message,
        position: Position {
            line: start.line + line - 1,
            column,
        },
    }
}

fn yaml_error(error: &Error) -> ParseError {
    let error = error.without_snippet();
    let message = UserMessageFormatter.format_message(error);
    let message = match (error, &*message) {
        (
            Error::MultipleDocuments { .. }
            | Error::Budget {
                breach: BudgetBreach::Documents { .. },
                ..
            },
            _,
        ) => SECOND.to_owned(),
        (_, "expected sequence start") => "expected a list".to_owned(),
        (_, "expected mapping start") => "expected a mapping".to_owned(),
        (_, "expected string scalar") => "expected a text".to_owned(),
        (_, other) => other.replace(char::is_control, " "),
    };
    let position = error.location().map_or(Position::FIRST, Position::from);
    ParseError::Syntax { message, position }
}

/// Limits against YAML bombs. The largest file without anchors is within them.
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
