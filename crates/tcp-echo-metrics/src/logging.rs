//! The log: lines on standard error, as text or as JSON.
//!
//! What a line carries may come from outside, such as the names of targets or a
//! peer's words in an error. None of it can break a line in two, forge a field or
//! reach the terminal as a control character.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::{self, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

mod divert;
mod escape;
mod fields;

pub(crate) use divert::{Diverted, divert};
pub(crate) use escape::{Escaped, escape_json};

/// What log lines look like and which are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What a line looks like.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum LogFormat {
    /// Time, level, message and fields as `name=value`.
    Text,
    /// A JSON object.
    Json,
}

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is odd, and the program goes on.
    Warn,
    /// A change worth knowing.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// What is on the other end of standard error, as far as text lines care.
#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    /// A person: levels have colours.
    colours: bool,
    /// systemd's journal, which notes the time itself.
    journal: bool,
}

impl Reader {
    fn of_stderr() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            colours: io::stderr().is_terminal() && !set("NO_COLOR"),
            journal: std::env::var("JOURNAL_STREAM")
                .is_ok_and(|stream| is_stream(&io::stderr(), &stream)),
        }
    }
}

/// Whether `output` goes to `stream`, which systemd names by device and inode. The
/// variable alone says little: what a service starts inherits it, and may well have
/// its standard error sent to a file.
#[cfg(unix)]
fn is_stream(output: &impl std::os::fd::AsFd, stream: &str) -> bool {
    use std::os::unix::fs::MetadataExt;

    let output = output.as_fd().try_clone_to_owned();
    let metadata = output.and_then(|fd| std::fs::File::from(fd).metadata());
    metadata.is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn is_stream<T>(_output: &T, _stream: &str) -> bool {
    false
}

/// Sends the log of the whole process to standard error. To be called once; later
/// calls change nothing.
pub fn init(config: LogConfig) {
    // The error says that a log is there already, which is then the one to use.
    let _ = subscriber::set_global_default(to(config, Reader::of_stderr(), divert::writer));
}

/// Sends it to a file instead, for a service that has no standard error. To be called
/// before [`init`], which then changes nothing.
pub fn init_to_file(config: LogConfig, file: std::fs::File) {
    let writer = std::sync::Mutex::new(file);
    let _ = subscriber::set_global_default(to(config, Reader::default(), writer));
}

/// A log that goes to `writer`.
fn to<W>(config: LogConfig, reader: Reader, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Json => Box::new(
            layer
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_writer(escape::JsonWriter(writer)),
        ),
        LogFormat::Text => {
            let layer = layer
                .with_ansi(reader.colours)
                .fmt_fields(fields::EscapedFields)
                .with_writer(writer);
            if reader.journal {
                Box::new(layer.without_time())
            } else {
                Box::new(layer)
            }
        }
    };
    Registry::default().with(layer.with_filter(filter(config.level)))
}

/// The level asked for is that of this project's crates. Libraries speak up when
/// something is wrong; their chatter at `debug` is not what a user asks for.
fn filter(level: LogLevel) -> Targets {
    let level = LevelFilter::from(level);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("tcp_echo", level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    const NASTY: &str = "a b\n\u{1b}[31mred\u{7f}\u{9b}2J\u{202e}";

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `speak` runs.
    fn logged(format: LogFormat, level: LogLevel, reader: Reader, speak: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let config = LogConfig { format, level };
        subscriber::with_default(to(config, reader, move || writer.clone()), speak);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    const JOURNAL: Reader = Reader {
        colours: false,
        journal: true,
    };

    fn text(speak: impl FnOnce()) -> String {
        logged(LogFormat::Text, LogLevel::Info, JOURNAL, speak)
    }

    #[test]
    fn text_is_level_message_and_fields() {
        let line = text(|| tracing::info!(target_name = "db", port = 4000, up = true, "connected"));
        assert_eq!(line, " INFO connected target_name=db port=4000 up=true\n");
    }

    #[test]
    fn time_is_left_to_the_journal_alone() {
        let line = logged(LogFormat::Text, LogLevel::Info, Reader::default(), || {
            tracing::warn!("odd");
        });
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
        assert_eq!(rest, " WARN odd\n");
    }

    #[cfg(unix)]
    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        use std::os::unix::fs::MetadataExt;

        let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let metadata = file.metadata().unwrap();
        let stream = format!("{}:{}", metadata.dev(), metadata.ino());
        assert!(is_stream(&file, &stream));
        assert!(!is_stream(&other, &stream));
        assert!(!is_stream(&file, "") && !is_stream(&file, "8:1"));
    }

    #[test]
    fn no_value_from_outside_forges_lines_or_fields() {
        let line = text(|| {
            tracing::info!(a = NASTY, b = %NASTY, c = ?NASTY, d = %"x=y", e = %"\"", f = %"", "said {NASTY}");
        });
        let quoted = r#""a b\n\u{1b}[31mred\u{7f}\u{9b}2J\u{202e}""#;
        assert_eq!(
            line,
            format!(
                " INFO said {} a={quoted} b={quoted} c={quoted} d=\"x=y\" e=\"\\\"\" f=\"\"\n",
                quoted.trim_matches('"')
            )
        );
    }

    #[test]
    fn errors_come_with_their_sources_and_spans_with_their_fields() {
        let source = io::Error::other("line\nbreak");
        let error = io::Error::other(source);
        let line = text(|| {
            let span = tracing::info_span!("probing", target_name = NASTY);
            let error: &(dyn std::error::Error + 'static) = &error;
            span.in_scope(|| tracing::info!(error, "failed"));
        });
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(
            !line.trim_end().contains(|c: char| c.is_control()),
            "{line:?}"
        );
        assert!(line.contains(r#"error="line\nbreak""#), "{line:?}");
        assert!(line.contains("probing{target_name=\"a b"), "{line:?}");
    }

    #[test]
    fn colours_are_for_people_and_only_ours() {
        let reader = Reader {
            colours: true,
            journal: true,
        };
        let line = logged(LogFormat::Text, LogLevel::Info, reader, || {
            tracing::info!(name = NASTY, "{NASTY}");
        });
        assert!(line.contains("\u{1b}["), "{line:?}");
        assert!(!line.contains("\u{1b}[31m"), "{line:?}");
    }

    #[test]
    fn json_is_one_object_a_line_without_control_characters() {
        let line = logged(LogFormat::Json, LogLevel::Info, Reader::default(), || {
            tracing::warn!(name = NASTY, other = %NASTY, count = 3, "said {NASTY}");
        });
        assert!(
            !line
                .trim_end()
                .contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["message"], format!("said {NASTY}"));
        assert_eq!(object["name"], NASTY);
        assert_eq!(object["other"], NASTY);
        assert_eq!(object["count"], 3);
        assert!(object["timestamp"].is_string());
    }

    #[test]
    fn levels_are_those_of_this_project_and_warnings_are_everybodys() {
        let speak = || {
            tracing::debug!(target: "tcp_echo_prober::driver", "ours");
            tracing::debug!(target: "hyper::proto", "theirs");
            tracing::warn!(target: "hyper::proto", "their warning");
        };
        let lines = |level| {
            let lines = logged(LogFormat::Text, level, JOURNAL, speak);
            lines
                .lines()
                .map(|line| line.trim().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(LogLevel::Trace), ["DEBUG ours", "WARN their warning"]);
        assert_eq!(lines(LogLevel::Info), ["WARN their warning"]);
        assert!(lines(LogLevel::Error).is_empty());
    }
}
