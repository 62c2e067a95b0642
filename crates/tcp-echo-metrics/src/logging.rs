//! The log: lines on standard error, as text or as JSON.
//!
//! What a line carries may come from outside, such as the names of targets or a
//! peer's words in an error. None of it can break a line in two, forge a field or
//! reach the terminal as a control character.
//!
//! Nobody waits for the log's reader. Lines go through a bounded queue to the thread that
//! writes them; those that find it full are dropped, counted, and told of at their place.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

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
mod output;
mod panics;
mod queue;

pub(crate) use divert::{Diverted, divert};
pub(crate) use escape::{Escaped, escape_json};
use output::{LogSink, Output};
use queue::Queue;

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

/// How many bytes of log lines may wait for their reader.
const WAITING: usize = 256 << 10;
/// How long what was logged last is waited for where the program ends.
const PATIENCE: Duration = Duration::from_millis(250);

/// The lines of the process's log.
static QUEUE: Queue = Queue::new(WAITING);
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Sends the log of the whole process to standard error, panics among it. To be called
/// once; later calls change nothing.
///
/// A thread of its own writes it, so that a reader who stops reading, such as a terminal
/// after Ctrl-S, holds up nobody who logs.
///
/// # Errors
/// Where the system gives no thread.
pub fn init(config: LogConfig) -> io::Result<()> {
    start(config, Reader::of_stderr(), Output::Stderr)
}

/// Sends it to a file instead, for a service that has no standard error. To be called
/// before [`init`], which then changes nothing.
///
/// # Errors
/// Where the system gives no thread.
pub fn init_to_file(config: LogConfig, file: std::fs::File) -> io::Result<()> {
    start(config, Reader::default(), Output::File(file))
}

/// How many lines were dropped so far because their reader was too slow, or could not be
/// written.
pub fn dropped_lines() -> u64 {
    QUEUE.dropped()
}

/// Writes a line for people after all that was logged so far, whatever the log's format
/// and level.
pub fn say(line: &str) {
    let line = format!("{line}\n");
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.push(line.as_bytes());
    } else {
        // With standard error closed there is nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Waits until all that was logged so far is written, for a quarter of a second at most.
pub fn flush() {
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.flush(PATIENCE);
    }
}

fn start(config: LogConfig, reader: Reader, output: Output) -> io::Result<()> {
    if IS_STARTED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let sink = LogSink {
        config,
        reader,
        output,
    };
    let thread = thread::Builder::new().name("log".to_owned());
    if let Err(error) = thread.spawn(move || QUEUE.write_to(sink)) {
        IS_STARTED.store(false, Ordering::Release);
        return Err(error);
    }
    // The error says that a log is there already, which is then the one to use.
    let _ = subscriber::set_global_default(to(config, reader, || Line));
    panics::log();
    Ok(())
}

/// What writes one log line: to those that wait.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
mod tests;
