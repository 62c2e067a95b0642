//! What keeps text from outside from acting on a terminal or on a reader of lines.

use std::fmt::{self, Write as _};
use std::io;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Whether a character acts instead of being seen: control characters of both
/// sets, line and paragraph separators, and those that turn the direction of text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// A writer that passes text on with such characters written as Rust writes them in
/// a literal: `\n`, `\u{1b}`.
pub(crate) struct Escaped<'a>(pub(crate) &'a mut dyn fmt::Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(acts) {
            let Some(last) = part.chars().next_back().filter(|c| acts(*c)) else {
                self.0.write_str(part)?;
                continue;
            };
            self.0.write_str(&part[..part.len() - last.len_utf8()])?;
            write!(self.0, "{}", last.escape_default())?;
        }
        Ok(())
    }
}

/// Writers of JSON lines in which such characters are escaped as JSON has it. The
/// serializer does that for the first 32 alone, since nothing more is needed for
/// the text to be JSON.
pub(super) struct JsonWriter<M>(pub(super) M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for JsonWriter<M> {
    type Writer = JsonLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        JsonLine(self.0.make_writer_for(metadata))
    }
}

/// JSON with such characters escaped as JSON has it, but for the ends of lines.
pub(crate) fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if acts(c) && c != '\n' {
            // Every one of them is in the basic plane: four digits are enough.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

pub(super) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    /// Takes everything, and hands it on in one piece: a line is one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = escape_json(&String::from_utf8_lossy(bytes));
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
