//! The log of the process.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tracing::subscriber::set_global_default;

use crate::config::LogConfig;
use crate::output::{LogSink, Output};
use crate::panics;
use crate::queue::Queue;
use crate::subscriber::{Style, subscriber};

/// The capacity of the queue, in bytes.
const CAPACITY: usize = 256 << 10;
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);

static QUEUE: Queue = Queue::new(CAPACITY);
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// Starts to log to standard error, panics included. Later calls change nothing.
///
/// # Errors
/// The system can't create a thread.
pub fn init(config: LogConfig) -> io::Result<()> {
    start(config, Style::of_stderr(), Output::Stderr)
}

/// Starts to log to a file, for a service that has no standard error. A later call of
/// [`init`] changes nothing.
///
/// # Errors
/// The system can't create a thread.
pub fn init_to_file(config: LogConfig, file: File) -> io::Result<()> {
    start(config, Style::default(), Output::File(file))
}

/// The number of lines so far that were dropped because their reader was too slow, or that
/// could not be written.
pub fn dropped_lines() -> u64 {
    QUEUE.dropped()
}

/// Writes a line for people after everything logged so far, whatever the format and level of
/// the log.
pub fn write_line(line: &str) {
    let line = format!("{line}\n");
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.push(line.as_bytes());
    } else {
        // A standard error that is closed can't be reported anywhere.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Waits until everything logged so far is written, at most a quarter of a second.
pub fn flush() {
    if IS_STARTED.load(Ordering::Acquire) {
        QUEUE.flush(FLUSH_TIMEOUT);
    }
}

fn start(config: LogConfig, style: Style, output: Output) -> io::Result<()> {
    if IS_STARTED.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let sink = LogSink {
        config,
        style,
        output,
    };
    let thread = thread::Builder::new().name("log".to_owned());
    if let Err(error) = thread.spawn(move || QUEUE.write_to(sink)) {
        IS_STARTED.store(false, Ordering::Release);
        return Err(error);
    }
    // It fails where a program has set a subscriber of its own, which then stays.
    let _ = set_global_default(subscriber(config, style, || QueueWriter));
    panics::log(flush);
    Ok(())
}

/// Writes one log line to the queue.
struct QueueWriter;

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
