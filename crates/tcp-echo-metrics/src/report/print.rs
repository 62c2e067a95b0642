//! Standard output, whose reader may be slow, may stop reading and may go.

use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How long a program that was told to end waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// As much is written at once, so that a slow reader is told from one that has stopped.
const PIECE: usize = 4096;

/// How many bytes were written. Clones count the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Arc<AtomicU64>);

impl Written {
    /// Counts what is written to `output`.
    pub(super) fn count<W>(&self, output: W) -> Counted<W> {
        Counted {
            output,
            written: self.clone(),
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An output that counts what is written to it.
#[derive(Debug)]
pub(super) struct Counted<W> {
    output: W,
    written: Written,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(&bytes[..bytes.len().min(PIECE)])?;
        self.written.0.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Lets `print` run on a thread of its own until it is done, its reader being as slow as
/// it may.
///
/// Once the program is told to end, or where it was told before, the reader has half
/// a second for each piece.
///
/// # Errors
/// Those of `print`, and [`io::ErrorKind::TimedOut`] where the reader does not take it.
pub(super) async fn print(
    print: impl FnOnce() -> io::Result<()> + Send + 'static,
    written: &Written,
    was_told: bool,
    told: impl Future,
) -> io::Result<()> {
    let done = async {
        spawn_blocking(print)
            .await
            .unwrap_or_else(|error| Err(error.into()))
    };
    let given_up = async {
        if !was_told {
            told.await;
        }
        loop {
            let before = written.get();
            sleep(PATIENCE).await;
            if written.get() == before {
                return;
            }
        }
    };
    let (mut done, given_up) = (pin!(done), pin!(given_up));
    tokio::select! {
        biased;
        done = &mut done => done,
        () = given_up => Err(io::Error::new(
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

    /// What a print comes to, on a runtime whose clock jumps.
    fn run(
        write: impl FnOnce(Written) -> io::Result<()> + Send + 'static,
        was_told: bool,
        told: impl Future,
    ) -> Result<(), io::ErrorKind> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let written = Written::default();
        let own = written.clone();
        let printed = runtime.block_on(print(move || write(own), &written, was_told, told));
        runtime.shutdown_background();
        printed.map_err(|error| error.kind())
    }

    /// Writes to a reader that takes nothing before the end of the test.
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
    fn a_reader_that_has_stopped_is_waited_for_until_one_is_told_to_end() {
        let (_read, write) = to_nobody();
        assert_eq!(run(write, false, ready(())), Err(io::ErrorKind::TimedOut));
        let (_read, write) = to_nobody();
        assert_eq!(
            run(write, true, pending::<()>()),
            Err(io::ErrorKind::TimedOut)
        );
    }

    #[test]
    fn a_slow_reader_gets_all_of_it() {
        let slow = |written: Written| {
            let mut output = written.count(io::sink());
            for _ in 0..8 {
                std::thread::sleep(PATIENCE / 4);
                output.write_all(&[0; PIECE + 1])?;
            }
            assert_eq!(written.get(), 8 * (PIECE as u64 + 1));
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
