//! Where log lines are written: standard error or a file, unless somebody else has the
//! terminal.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber;
use tracing_subscriber::fmt::MakeWriter;

use super::queue::Sink;
use super::{LogConfig, LogLevel, Reader, divert, to};

/// What the log's thread writes to.
#[derive(Debug)]
pub(super) enum Output {
    Stderr,
    File(File),
}

impl Output {
    /// Writes one line, with its end, and waits for a reader that is slow.
    pub(super) fn write_line(&self, line: &[u8]) -> io::Result<()> {
        if let Some(taker) = divert::taker() {
            taker(line);
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
/// shares with this one to fail rather than to wait.
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

/// What the log's thread does with lines.
#[derive(Debug)]
pub(super) struct LogSink {
    pub(super) config: LogConfig,
    pub(super) reader: Reader,
    pub(super) output: Output,
}

impl Sink for LogSink {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.output.write_line(line)
    }

    /// It looks as any other line, and is written whatever the level.
    fn tell_dropped(&mut self, lines: u64) -> io::Result<()> {
        let config = LogConfig {
            level: LogLevel::Warn,
            ..self.config
        };
        let made = Made::default();
        let log = to(config, self.reader, made.clone());
        subscriber::with_default(log, || {
            tracing::warn!("{lines} log lines dropped: they were not read in time");
        });
        self.output.write_line(&made.take())
    }
}

/// Lines that are made and not yet written.
#[derive(Clone, Debug, Default)]
pub(super) struct Made(Arc<Mutex<Vec<u8>>>);

impl Made {
    pub(super) fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Made {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Made {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
