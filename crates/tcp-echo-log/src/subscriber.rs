//! The subscriber that formats events as log lines.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::{escape, fields};

/// How text lines are styled, by what reads standard error.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// A terminal: levels have colours.
    pub(crate) ansi: bool,
    /// systemd's journal, which adds the time itself.
    pub(crate) journal: bool,
}

impl Style {
    pub(crate) fn of_stderr() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            ansi: io::stderr().is_terminal() && !set("NO_COLOR"),
            journal: std::env::var("JOURNAL_STREAM")
                .is_ok_and(|stream| is_stream(&io::stderr(), &stream)),
        }
    }
}

/// Whether `output` is the journal's `stream`, which systemd names by device and inode. The
/// variable alone says little: child processes of a service inherit it, and may have
/// their standard error sent to a file.
#[cfg(unix)]
pub(crate) fn is_stream(output: &impl std::os::fd::AsFd, stream: &str) -> bool {
    use std::os::unix::fs::MetadataExt;

    let output = output.as_fd().try_clone_to_owned();
    let metadata = output.and_then(|fd| std::fs::File::from(fd).metadata());
    metadata.is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn is_stream<T>(_output: &T, _stream: &str) -> bool {
    false
}

/// A subscriber that writes log lines to `writer`.
pub(crate) fn subscriber<W>(
    config: LogConfig,
    style: Style,
    writer: W,
) -> impl Subscriber + Send + Sync
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
                .with_ansi(style.ansi)
                .fmt_fields(fields::EscapedFields)
                .with_writer(writer);
            if style.journal {
                Box::new(layer.without_time())
            } else {
                Box::new(layer)
            }
        }
    };
    Registry::default().with(layer.with_filter(filter(config.level)))
}

/// The configured level applies to the crates of this project. Of libraries only warnings and
/// errors are written: nobody who asks for `debug` wants theirs.
fn filter(level: LogLevel) -> Targets {
    let level = LevelFilter::from(level);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("tcp_echo", level)
}
