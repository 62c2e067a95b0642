//! Escapes in text from outside, so that it controls neither a terminal nor a reader of lines.

use std::fmt::{self, Write as _};
use std::io;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Whether a character controls rather than shows: control characters of both sets, line and
/// paragraph separators, and marks that change the direction of text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// A writer that escapes control characters as a Rust literal does: `\n`, `\u{1b}`.
pub struct Escaped<'a>(
    /// Takes the escaped text.
    pub &'a mut dyn fmt::Write,
);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Escaped").finish_non_exhaustive()
    }
}

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_control) {
            let Some(last) = part.chars().next_back().filter(|c| is_control(*c)) else {
                self.0.write_str(part)?;
                continue;
            };
            self.0.write_str(&part[..part.len() - last.len_utf8()])?;
            write!(self.0, "{}", last.escape_default())?;
        }
        Ok(())
    }
}

/// Writers of JSON lines with all control characters escaped. The serializer escapes the first
/// 32 only, since JSON requires no more.
pub(crate) struct JsonWriter<M>(pub(crate) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for JsonWriter<M> {
    type Writer = JsonLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        JsonLine(self.0.make_writer_for(metadata))
    }
}

/// Escapes control characters in JSON, except newlines.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_control(c) && c != '\n' {
            // All of them are in the basic plane: four digits are enough.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

pub(crate) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    /// Takes everything, and writes it at once: a line is one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = escape_json(&String::from_utf8_lossy(bytes));
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
