//! A bounded queue of lines for a reader that may be slow, or may have stopped reading.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines for the thread that writes them.
///
/// Logging never blocks on the reader: while the queue is full, lines are dropped and counted,
/// and a line in their place says how many.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Notified when there is something to write.
    filled: Condvar,
    /// Notified when everything is written.
    emptied: Condvar,
    /// In bytes.
    capacity: usize,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Whole lines.
    lines: Vec<u8>,
    /// The number of lines dropped after these.
    dropped: u64,
    is_writing: bool,
}

/// Writes the lines.
pub(crate) trait Sink {
    /// Writes one line, with its newline.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
    /// Writes that this many lines were dropped.
    fn write_dropped(&mut self, lines: u64) -> io::Result<()>;
}

impl Queue {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                lines: Vec::new(),
                dropped: 0,
                is_writing: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            capacity,
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds a line, with its newline, or drops it. Never blocks on the reader.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        // After a dropped line all are dropped until the gap is reported in its place.
        if state.dropped > 0 || state.lines.len() + line.len() > self.capacity {
            state.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            state.lines.extend_from_slice(line);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The number of lines that were dropped, or could not be written.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, or for `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) {
        let is_busy = |state: &mut State| state.has_some() || state.is_writing;
        let waited = self
            .emptied
            .wait_timeout_while(self.lock(), timeout, is_busy);
        drop(waited);
    }

    /// Writes all lines to `sink`, for ever.
    pub(crate) fn write_to(&self, mut sink: impl Sink) -> ! {
        // Lines that were dropped or failed, not reported yet.
        let mut unreported = 0;
        loop {
            let (lines, dropped) = self.take();
            // If this fails again, the lines after it are likely to fail as well.
            report(&mut sink, &mut unreported);
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if sink.write(line).is_err() {
                    unreported += 1;
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            unreported += dropped;
            report(&mut sink, &mut unreported);
        }
    }

    /// Waits for lines; returns them and the number of lines dropped after them.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        state.is_writing = false;
        if !state.has_some() {
            self.emptied.notify_all();
        }
        let waited = self.filled.wait_while(state, |state| !state.has_some());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        (mem::take(&mut state.lines), mem::take(&mut state.dropped))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_some(&self) -> bool {
        !self.lines.is_empty() || self.dropped > 0
    }
}

fn report(sink: &mut impl Sink, unreported: &mut u64) {
    if *unreported > 0 && sink.write_dropped(*unreported).is_ok() {
        *unreported = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::thread;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Writes a line for each permit.
    struct Slow {
        permits: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Slow {
        fn write(&mut self, text: String) -> io::Result<()> {
            // Without permits it blocks for ever, as on a reader that has stopped.
            let Ok(result) = self.permits.recv() else {
                loop {
                    thread::park();
                }
            };
            if result.is_ok() {
                self.written.send(text).unwrap();
            }
            result
        }
    }

    impl Sink for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<()> {
            self.write(String::from_utf8(line.to_vec()).unwrap())
        }

        fn write_dropped(&mut self, lines: u64) -> io::Result<()> {
            self.write(format!("{lines} dropped"))
        }
    }

    fn start(capacity: usize) -> (Arc<Queue>, Sender<io::Result<()>>, Receiver<String>) {
        let queue = Arc::new(Queue::new(capacity));
        let (permit, permits) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let own = Arc::clone(&queue);
        thread::spawn(move || own.write_to(Slow { permits, written }));
        (queue, permit, lines)
    }

    /// Waits until the thread has taken all lines.
    fn wait_until_taken(queue: &Queue) {
        let end = Instant::now() + LONG;
        while queue.lock().has_some() {
            assert!(Instant::now() < end);
            thread::yield_now();
        }
    }

    #[test]
    fn dropped_lines_are_reported_in_their_place() {
        let (queue, permit, lines) = start(8);
        queue.push(b"a\n");
        wait_until_taken(&queue);
        for line in ["b\n", "c\n", "too long for it\n", "d\n", "e\n"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.dropped(), 3);
        for expected in ["a\n", "b\n", "c\n", "3 dropped"] {
            permit.send(Ok(())).unwrap();
            assert_eq!(lines.recv_timeout(LONG).unwrap(), expected);
        }
        queue.push(b"f\n");
        permit.send(Ok(())).unwrap();
        assert_eq!(lines.recv_timeout(LONG).unwrap(), "f\n");
        assert_eq!(queue.dropped(), 3);
    }

    #[test]
    fn memory_is_bounded_without_a_reader() {
        const CAPACITY: usize = 1000;
        let (queue, _permit, _lines) = start(CAPACITY);
        for _ in 0..100_000 {
            queue.push(b"0123456789\n");
        }
        let state = queue.lock();
        assert!(state.lines.len() <= CAPACITY && state.lines.capacity() <= 2 * CAPACITY);
        drop(state);
        assert!(queue.dropped() > 99_000);
    }

    #[test]
    fn lines_that_fail_are_counted_and_reported() {
        let (queue, permit, lines) = start(100);
        queue.push(b"a\n");
        permit.send(Err(io::ErrorKind::Other.into())).unwrap();
        // The report of it fails as well, at first.
        permit.send(Err(io::ErrorKind::Other.into())).unwrap();
        queue.flush(LONG);
        assert_eq!(queue.dropped(), 1);
        queue.push(b"b\n");
        for expected in ["1 dropped", "b\n"] {
            permit.send(Ok(())).unwrap();
            assert_eq!(lines.recv_timeout(LONG).unwrap(), expected);
        }
    }

    #[test]
    fn a_flush_waits_until_its_timeout() {
        let (queue, permit, lines) = start(100);
        let began = Instant::now();
        queue.flush(LONG);
        queue.push(b"a\nb\n");
        permit.send(Ok(())).unwrap();
        queue.flush(Duration::from_millis(10));
        assert!(began.elapsed() < LONG, "it waits for ever");
        permit.send(Ok(())).unwrap();
        queue.flush(LONG);
        assert_eq!(lines.try_iter().collect::<String>(), "a\nb\n");
        assert!(began.elapsed() < LONG, "it waits for nothing");
    }
}
