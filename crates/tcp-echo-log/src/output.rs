//! The output of the log: standard error or a file, unless its lines are redirected.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogConfig, LogLevel};
use crate::queue::Sink;
use crate::redirect;
use crate::subscriber::{Style, subscriber};

/// What the thread of the log writes to.
#[derive(Debug)]
pub(crate) enum Output {
    Stderr,
    File(File),
}

impl Output {
    /// Writes one line, with its newline. Blocks while its reader is slow.
    pub(crate) fn write_line(&self, line: &[u8]) -> io::Result<()> {
        if let Some(handler) = redirect::handler() {
            handler(line);
            return Ok(());
        }
        match self {
            Self::Stderr => write_all(io::stderr(), line),
            Self::File(file) => {
                let mut file = file;
                file.write_all(line)
            }
        }
    }
}

/// Writes all of it, also where another program has set the terminal or pipe that it
/// shares with this one to nonblocking.
fn write_all(mut stderr: io::Stderr, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stderr.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&stderr)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn wait(stderr: &io::Stderr) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};

    match poll(&mut [PollFd::new(stderr, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn wait(_stderr: &io::Stderr) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// Writes the lines of the queue.
#[derive(Debug)]
pub(crate) struct LogSink {
    pub(crate) config: LogConfig,
    pub(crate) style: Style,
    pub(crate) output: Output,
}

impl Sink for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.output.write_line(line)
    }

    /// In the format of the log, and whatever its level.
    fn write_dropped(&mut self, lines: u64) -> io::Result<()> {
        let config = LogConfig {
            level: LogLevel::Warn,
            ..self.config
        };
        let buffer = Buffer::default();
        with_default(subscriber(config, self.style, buffer.clone()), || {
            tracing::warn!("{lines} log lines dropped: they were not read in time");
        });
        self.output.write_line(&buffer.take())
    }
}

/// Formatted lines in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Buffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
