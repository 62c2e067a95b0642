//! Printing to standard output, whose reader may be slow or stop reading.

use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// After an interrupt, the timeout for the reader to read anything.
const STALL_TIMEOUT: Duration = Duration::from_millis(500);
/// The size of a write: small, to distinguish a slow reader from one that has stopped.
const CHUNK: usize = 4096;

/// The number of bytes written. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<AtomicU64>);

impl Written {
    /// Counts the bytes written to `output`.
    pub(crate) fn count<W>(&self, output: W) -> Counted<W> {
        Counted {
            output,
            written: self.clone(),
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An output that counts the bytes written to it.
#[derive(Debug)]
pub(crate) struct Counted<W> {
    output: W,
    written: Written,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(&bytes[..bytes.len().min(CHUNK)])?;
        self.written.0.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Runs `print` on a thread of its own until it is done, however slow its reader is.
///
/// After `interrupt`, or from the start if `was_interrupted`, the reader has half a second
/// for each chunk.
///
/// # Errors
/// Those of `print`, and [`io::ErrorKind::TimedOut`] if the reader has stopped.
pub(crate) async fn print(
    print: impl FnOnce() -> io::Result<()> + Send + 'static,
    written: &Written,
    was_interrupted: bool,
    interrupt: impl Future,
) -> io::Result<()> {
    let done = async {
        spawn_blocking(print)
            .await
            .unwrap_or_else(|error| Err(error.into()))
    };
    let stalled = async {
        if !was_interrupted {
            interrupt.await;
        }
        loop {
            let before = written.get();
            sleep(STALL_TIMEOUT).await;
            if written.get() == before {
                return;
            }
        }
    };
    let (mut done, stalled) = (pin!(done), pin!(stalled));
    tokio::select! {
        biased;
        done = &mut done => done,
        () = stalled => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "standard output is not read",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::mpsc;

    use super::*;

    /// The result of a print.
    fn run(
        write: impl FnOnce(Written) -> io::Result<()> + Send + 'static,
        was_interrupted: bool,
        interrupt: impl Future,
    ) -> Result<(), io::ErrorKind> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let written = Written::default();
        let own = written.clone();
        let printed = runtime.block_on(print(
            move || write(own),
            &written,
            was_interrupted,
            interrupt,
        ));
        runtime.shutdown_background();
        printed.map_err(|error| error.kind())
    }

    /// Writes to a reader that reads nothing before the end of the test.
    fn to_nobody() -> (
        mpsc::Sender<()>,
        impl FnOnce(Written) -> io::Result<()> + Send,
    ) {
        let (read, reads) = mpsc::channel();
        (read, move |_| {
            let _ = reads.recv();
            Ok(())
        })
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_stopped_reader() {
        let (_read, write) = to_nobody();
        assert_eq!(run(write, false, ready(())), Err(io::ErrorKind::TimedOut));
        let (_read, write) = to_nobody();
        assert_eq!(
            run(write, true, pending::<()>()),
            Err(io::ErrorKind::TimedOut)
        );
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let slow = |written: Written| {
            let mut output = written.count(io::sink());
            for _ in 0..8 {
                std::thread::sleep(STALL_TIMEOUT / 4);
                output.write_all(&[0; CHUNK + 1])?;
            }
            assert_eq!(written.get(), 8 * (CHUNK as u64 + 1));
            Ok(())
        };
        assert_eq!(run(slow, true, pending::<()>()), Ok(()));
        let fails = |_| Err(io::ErrorKind::BrokenPipe.into());
        assert_eq!(
            run(fails, false, pending::<()>()),
            Err(io::ErrorKind::BrokenPipe)
        );
    }
}
