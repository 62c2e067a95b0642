//! Messages and fields of text lines: `message name=value name="a value"`.

use std::error::Error;
use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::escape::Escaped;

/// Writes the message as it is, and quotes values that would be ambiguous without quotes.
/// Everything is escaped.
pub(crate) struct EscapedFields;

impl<'w> FormatFields<'w> for EscapedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line {
            writer,
            empty: true,
            result: Ok(()),
        };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, field: &Field, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.empty) {
            self.writer.write_char(' ')?;
        }
        match field.name() {
            "message" => Escaped(&mut self.writer).write_str(value),
            name => {
                write!(self.writer, "{}=", name.trim_start_matches("r#"))?;
                if is_plain(value) || is_literal(value) {
                    Escaped(&mut self.writer).write_str(value)
                } else {
                    write!(self.writer, "{value:?}")
                }
            }
        }
    }

    fn record(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.add(field, value);
        }
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value);
    }

    /// An error and its sources.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        self.record(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record(field, &format!("{value:?}"));
    }
}

/// Whether a value is unambiguous without quotes.
fn is_plain(value: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=');
    !value.is_empty() && !value.contains(odd)
}

/// Whether a value is a string literal already, as `Debug` writes strings.
fn is_literal(value: &str) -> bool {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return false;
    };
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '"' if !escaped => return false,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_recognized() {
        for value in [r#""""#, r#""a b""#, r#""a \"b\" \\""#] {
            assert!(is_literal(value), "{value}");
        }
        for value in ["", "\"", "a", r#""a" b="c""#, r#""a\""#, r#"a""#] {
            assert!(!is_literal(value), "{value}");
        }
    }
}
