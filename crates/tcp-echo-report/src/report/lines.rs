//! A line for each probe, like ping.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use tcp_echo_prober::{Event, Paths};
use tokio::sync::Notify;

use crate::format::{Charset, printable, short};

/// The capacity of the queue for a slow reader. Further lines are dropped and counted: the
/// reader must not delay the probes.
const CAPACITY: usize = 16_384;

/// Queues events to be written as lines. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    sender: SyncSender<Message>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    dropped: AtomicU64,
    /// Notified when the reader has gone.
    closed: Notify,
}

/// The thread that writes the lines.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Lines,
    thread: JoinHandle<()>,
}

/// A target by its name, and its flow if it has several.
pub(crate) type Flow = (Arc<str>, Option<u16>);

enum Message {
    Event(Flow, Event, u64),
    /// Lines that are formatted already.
    Text(String),
    End,
}

/// Starts to write to `output`. `paths` knows the ports of flows.
///
/// # Errors
/// The system can't create a thread.
pub(crate) fn start(
    output: impl Write + Send + 'static,
    charset: Charset,
    paths: Option<Paths>,
) -> io::Result<Writer> {
    let (sender, messages) = mpsc::sync_channel(CAPACITY);
    let state = Arc::new(State::default());
    let lines = Lines {
        sender,
        state: Arc::clone(&state),
    };
    let thread = thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || {
            let names = Names {
                paths,
                ports: HashMap::new(),
            };
            if write_all(&messages, &state, BufWriter::new(output), charset, names).is_err() {
                state.closed.notify_one();
            }
        })?;
    Ok(Writer { lines, thread })
}

impl Writer {
    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Writes the rest of the queue, and ends the thread.
    pub(crate) fn finish(self) {
        // It fails if the thread has ended.
        let _ = self.lines.sender.send(Message::End);
        let _ = self.thread.join();
    }
}

impl Lines {
    /// Queues an event of a flow. Never blocks; the thread formats it.
    pub(crate) fn write(&self, flow: &Flow, event: &Event, slots: u64) {
        if matches!(event, Event::Sent { .. }) {
            return;
        }
        self.send(Message::Event(flow.clone(), event.clone(), slots));
    }

    /// Queues whole lines. Never blocks.
    pub(crate) fn write_text(&self, text: String) {
        self.send(Message::Text(text));
    }

    fn send(&self, message: Message) {
        if self.sender.try_send(message).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the reader has gone.
    pub(crate) async fn closed(&self) {
        self.state.closed.notified().await;
    }
}

/// Writes until [`Message::End`], in batches.
fn write_all(
    messages: &Receiver<Message>,
    state: &State,
    mut output: impl Write,
    charset: Charset,
    mut names: Names,
) -> io::Result<()> {
    while let Ok(message) = messages.recv() {
        for message in std::iter::once(message).chain(messages.try_iter()) {
            let (flow, event, slots) = match message {
                Message::Event(flow, event, slots) => (flow, event, slots),
                Message::Text(text) => {
                    output.write_all(text.as_bytes())?;
                    continue;
                }
                Message::End => return output.flush(),
            };
            if let Some(what) = describe(&event, slots, charset) {
                writeln!(output, "{} {what}", names.name(&flow, &event))?;
            }
        }
        let dropped = state.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            writeln!(output, "({dropped} lines left out)")?;
        }
        output.flush()?;
    }
    Ok(())
}

/// The names that lines begin with.
struct Names {
    paths: Option<Paths>,
    /// The source ports of flows.
    ports: HashMap<Flow, u16>,
}

impl Names {
    /// `db`, or `db port=40000` of a flow. Each connection may have another port.
    fn name(&mut self, flow: &Flow, event: &Event) -> String {
        let (name, number) = flow;
        let printed = printable(name);
        let Some(number) = *number else {
            return printed;
        };
        if let (Event::Connected { .. }, Some(paths)) = (event, &self.paths) {
            let flows = paths.flows(name).unwrap_or_default();
            let port = flows.get(usize::from(number));
            if let Some(port) = port.and_then(|flow| flow.source_port) {
                self.ports.insert(flow.clone(), port);
            }
        }
        match self.ports.get(flow) {
            Some(port) => format!("{printed} port={port}"),
            None => format!("{printed} flow={number}"),
        }
    }
}

/// An event in words.
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
        Event::Departed => "departed".to_owned(),
        Event::MtuProbe(probe) => probe.to_string(),
        Event::SoftError => "unreachable, says a router, but connected".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tcp_echo_prober::{Direction, MtuProbe, Seq, UnsentReason};

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
    fn each_event_has_a_line_without_control_characters() {
        let page = Page::default();
        let writer = start(page.clone(), Charset::Ascii, None).unwrap();
        let name = (Arc::from("d\u{1b}[2Jb"), None);
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
            (Event::SoftError, 0),
            (Event::MtuProbe(MtuProbe::Passes { mss: 1460 }), 0),
            (
                Event::MtuProbe(MtuProbe::Drops {
                    sent: 1460,
                    passes: Some(1360),
                    direction: Some(Direction::Forward),
                }),
                0,
            ),
            (
                Event::MtuProbe(MtuProbe::Drops {
                    sent: 1440,
                    passes: None,
                    direction: None,
                }),
                0,
            ),
            (Event::Departed, 0),
            (Event::Unsent { reason, slots: 9 }, 3),
            (Event::Unsent { reason, slots: 1 }, 1),
        ] {
            lines.write(&name, &event, slots);
        }
        let flow = (Arc::clone(&name.0), Some(3));
        lines.write(&flow, &Event::Late { seq: Seq(9) }, 0);
        lines.write_text("d\\u{1b}[2Jb hops\n".to_owned());
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
                "unreachable, says a router, but connected",
                "segments of 1460 bytes pass",
                "large packets are dropped on the way there: segments of 1460 bytes don't pass, \
                 1360 do",
                "large packets are dropped on the way: segments of 1440 bytes don't pass",
                "departed",
                "unsent: disconnected, 3 slots",
                "unsent: disconnected",
                "flow=3 seq=9 late",
                "hops"
            ]
        );
    }

    /// Blocks until the test drops the other end, like a pipe that nobody reads.
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
    fn a_stopped_reader_blocks_nobody() {
        let (reader, blocked) = mpsc::channel();
        let writer = start(Blocked(blocked), Charset::Ascii, None).unwrap();
        let (lines, name) = (writer.lines(), (Arc::from("a"), None));
        for seq in 0..100_000 {
            lines.write(&name, &Event::Late { seq: Seq(seq) }, 0);
        }
        assert!(lines.state.dropped.load(Ordering::Relaxed) > 0);
        drop(reader);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(lines.closed());
        writer.finish();
    }
}
