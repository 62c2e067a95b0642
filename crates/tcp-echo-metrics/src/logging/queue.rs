//! Lines on their way to a reader that may be slow, or may have stopped reading.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that wait for the thread that writes them.
///
/// Logging never waits for the reader: while the queue is full, further lines are dropped and
/// counted, and a line in their place says how many they were.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// All of it was written.
    emptied: Condvar,
    /// How many bytes may wait.
    limit: usize,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Whole lines.
    lines: Vec<u8>,
    /// How many lines were dropped after these.
    dropped: u64,
    is_writing: bool,
}

/// Where the lines go.
pub(super) trait Sink {
    /// Writes one line, with its end.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
    /// Says that so many lines were dropped.
    fn tell_dropped(&mut self, lines: u64) -> io::Result<()>;
}

impl Queue {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                lines: Vec::new(),
                dropped: 0,
                is_writing: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            limit,
            dropped: AtomicU64::new(0),
        }
    }

    /// Takes a line, with its end, or drops it. Never waits for the reader.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        // Once one was dropped, so are those after it: the reader is told where.
        if state.dropped > 0 || state.lines.len() + line.len() > self.limit {
            state.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            state.lines.extend_from_slice(line);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// How many lines were dropped, or could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, and at most so long.
    pub(super) fn flush(&self, most: Duration) {
        let has_some = |state: &mut State| state.has_some() || state.is_writing;
        let waited = self.emptied.wait_timeout_while(self.lock(), most, has_some);
        drop(waited);
    }

    /// Writes to `sink` whatever comes, for ever.
    pub(super) fn write_to(&self, mut sink: impl Sink) -> ! {
        // Dropped, or not written, and the reader doesn't know yet.
        let mut untold = 0;
        loop {
            let (lines, dropped) = self.take();
            // Where this fails again, what follows is likely to.
            tell(&mut sink, &mut untold);
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if sink.write(line).is_err() {
                    untold += 1;
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            untold += dropped;
            tell(&mut sink, &mut untold);
        }
    }

    /// Waits for lines; gives them, and how many were dropped after them.
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

fn tell(sink: &mut impl Sink, untold: &mut u64) {
    if *untold > 0 && sink.tell_dropped(*untold).is_ok() {
        *untold = 0;
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

    /// Takes a line when it is let.
    struct Slow {
        may: Receiver<io::Result<()>>,
        written: Sender<String>,
    }

    impl Slow {
        fn write(&mut self, text: String) -> io::Result<()> {
            // Without anybody who lets it, it waits for ever, as for a reader that has stopped.
            let Ok(result) = self.may.recv() else {
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

        fn tell_dropped(&mut self, lines: u64) -> io::Result<()> {
            self.write(format!("{lines} dropped"))
        }
    }

    fn start(limit: usize) -> (Arc<Queue>, Sender<io::Result<()>>, Receiver<String>) {
        let queue = Arc::new(Queue::new(limit));
        let (let_it, may) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let own = Arc::clone(&queue);
        thread::spawn(move || own.write_to(Slow { may, written }));
        (queue, let_it, lines)
    }

    /// Waits until the thread has taken what waited.
    fn taken(queue: &Queue) {
        let end = Instant::now() + LONG;
        while queue.lock().has_some() {
            assert!(Instant::now() < end);
            thread::yield_now();
        }
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_is_told_where() {
        let (queue, let_it, lines) = start(8);
        queue.push(b"a\n");
        taken(&queue);
        for line in ["b\n", "c\n", "too long for it\n", "d\n", "e\n"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.dropped(), 3);
        for expected in ["a\n", "b\n", "c\n", "3 dropped"] {
            let_it.send(Ok(())).unwrap();
            assert_eq!(lines.recv_timeout(LONG).unwrap(), expected);
        }
        queue.push(b"f\n");
        let_it.send(Ok(())).unwrap();
        assert_eq!(lines.recv_timeout(LONG).unwrap(), "f\n");
        assert_eq!(queue.dropped(), 3);
    }

    #[test]
    fn many_lines_for_nobody_take_bounded_memory() {
        const LIMIT: usize = 1000;
        let (queue, _let_it, _lines) = start(LIMIT);
        for _ in 0..100_000 {
            queue.push(b"0123456789\n");
        }
        let state = queue.lock();
        assert!(state.lines.len() <= LIMIT && state.lines.capacity() <= 2 * LIMIT);
        drop(state);
        assert!(queue.dropped() > 99_000);
    }

    #[test]
    fn lines_that_can_not_be_written_are_counted_and_told_of() {
        let (queue, let_it, lines) = start(100);
        queue.push(b"a\n");
        let_it.send(Err(io::ErrorKind::Other.into())).unwrap();
        // So is the word of it, at first.
        let_it.send(Err(io::ErrorKind::Other.into())).unwrap();
        queue.flush(LONG);
        assert_eq!(queue.dropped(), 1);
        queue.push(b"b\n");
        for expected in ["1 dropped", "b\n"] {
            let_it.send(Ok(())).unwrap();
            assert_eq!(lines.recv_timeout(LONG).unwrap(), expected);
        }
    }

    #[test]
    fn a_flush_waits_for_what_is_written_and_not_for_ever() {
        let (queue, let_it, lines) = start(100);
        let began = Instant::now();
        queue.flush(LONG);
        queue.push(b"a\nb\n");
        let_it.send(Ok(())).unwrap();
        queue.flush(Duration::from_millis(10));
        assert!(began.elapsed() < LONG, "it waits for ever");
        let_it.send(Ok(())).unwrap();
        queue.flush(LONG);
        assert_eq!(lines.try_iter().collect::<String>(), "a\nb\n");
        assert!(began.elapsed() < LONG, "it waits for nothing");
    }
}
