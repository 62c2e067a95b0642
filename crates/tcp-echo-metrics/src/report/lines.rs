//! A line for each probe, as ping has it.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use tcp_echo_prober::Event;
use tokio::sync::Notify;

use super::format::{Charset, printable, short};

/// How many lines may wait for a reader that is slow. Then lines are left out, and
/// their number is told: who reads must not delay who probes.
const WAITING: usize = 16_384;

/// Where what happened goes to be written. Clones write to the same place.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    sender: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    left_out: AtomicU64,
    /// Nobody reads any more.
    closed: Notify,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Lines,
    thread: JoinHandle<()>,
}

enum Message {
    Happened(Arc<str>, Event, u64),
    End,
}

/// Begins to write to `output`.
///
/// # Errors
/// Where the system gives no thread.
pub(super) fn start(output: impl Write + Send + 'static, charset: Charset) -> io::Result<Writer> {
    let (sender, messages) = mpsc::sync_channel(WAITING);
    let state = Arc::new(State::default());
    let lines = Lines {
        sender,
        state: Arc::clone(&state),
    };
    let thread = thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || {
            if write_all(&messages, &state, BufWriter::new(output), charset).is_err() {
                state.closed.notify_one();
            }
        })?;
    Ok(Writer { lines, thread })
}

impl Writer {
    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Ends it when all is written.
    pub(super) fn finish(self) {
        // A thread that has ended needs no telling.
        let _ = self.lines.sender.send(Message::End);
        let _ = self.thread.join();
    }
}

impl Lines {
    /// Hands on what happened to a target; never waits. Formatting is left to the
    /// thread that writes.
    pub(super) fn write(&self, name: &Arc<str>, event: &Event, slots: u64) {
        if matches!(event, Event::Sent { .. } | Event::TcpInfo(_)) {
            return;
        }
        let message = Message::Happened(Arc::clone(name), event.clone(), slots);
        if self.sender.try_send(message).is_err() {
            self.state.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until nobody reads the lines any more.
    pub(super) async fn closed(&self) {
        self.state.closed.notified().await;
    }
}

/// Writes until it is told to end, a batch at a time.
fn write_all(
    messages: &Receiver<Message>,
    state: &State,
    mut output: impl Write,
    charset: Charset,
) -> io::Result<()> {
    while let Ok(message) = messages.recv() {
        for message in std::iter::once(message).chain(messages.try_iter()) {
            let Message::Happened(name, event, slots) = message else {
                return output.flush();
            };
            if let Some(what) = describe(&event, slots, charset) {
                writeln!(output, "{} {what}", printable(&name))?;
            }
        }
        let left_out = state.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            writeln!(output, "({left_out} lines left out)")?;
        }
        output.flush()?;
    }
    Ok(())
}

/// What happened, in words.
fn describe(event: &Event, slots: u64, charset: Charset) -> Option<String> {
    Some(match event {
        Event::Received { seq, rtt, .. } => format!("seq={} rtt={}", seq.0, short(*rtt, charset)),
        Event::TimedOut { seq } => format!("seq={} timeout", seq.0),
        Event::Late { seq } => format!("seq={} late", seq.0),
        Event::Unexpected => "unexpected frame".to_owned(),
        Event::Unsent { reason, .. } if slots == 1 => format!("unsent: {reason}"),
        Event::Unsent { reason, .. } => format!("unsent: {reason}, {slots} slots"),
        Event::Connected { address, handshake } => {
            format!("connected to {address} in {}", short(*handshake, charset))
        }
        Event::ConnectFailed { reason } => format!("cannot connect: {reason}"),
        Event::Disconnected { reason } => format!("disconnected: {reason}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tcp_echo_prober::{Seq, UnsentReason};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_thing_has_a_line_that_does_not_act() {
        let page = Page::default();
        let writer = start(page.clone(), Charset::Ascii).unwrap();
        let name = Arc::from("d\u{1b}[2Jb");
        let lines = writer.lines();
        let (seq, reason) = (Seq(7), UnsentReason::Disconnected);
        for (event, slots) in [
            (
                Event::Sent {
                    seq,
                    lateness: Duration::ZERO,
                },
                1,
            ),
            (
                Event::Received {
                    seq,
                    rtt: Duration::from_micros(40),
                    host_delay: None,
                },
                0,
            ),
            (Event::TimedOut { seq: Seq(8) }, 0),
            (Event::Late { seq: Seq(8) }, 0),
            (Event::Unsent { reason, slots: 9 }, 3),
            (Event::Unsent { reason, slots: 1 }, 1),
        ] {
            lines.write(&name, &event, slots);
        }
        writer.finish();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.strip_prefix(r"d\u{1b}[2Jb ").unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                "seq=7 rtt=40.0us",
                "seq=8 timeout",
                "seq=8 late",
                "unsent: disconnected, 3 slots",
                "unsent: disconnected"
            ]
        );
    }

    /// Blocks until it is dropped by the test, as a pipe does that nobody reads.
    struct Blocked(Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_delays_nobody() {
        let (reader, blocked) = mpsc::channel();
        let writer = start(Blocked(blocked), Charset::Ascii).unwrap();
        let (lines, name) = (writer.lines(), Arc::from("a"));
        for seq in 0..100_000 {
            lines.write(&name, &Event::Late { seq: Seq(seq) }, 0);
        }
        assert!(lines.state.left_out.load(Ordering::Relaxed) > 0);
        drop(reader);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(lines.closed());
        writer.finish();
    }
}
