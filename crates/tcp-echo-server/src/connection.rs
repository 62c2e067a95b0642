//! One connection: what comes in goes out.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::CloseReason;
use crate::deadline::Deadline;
use crate::gate::Admission;
use crate::turns::{Ticket, Turns};

/// How much is read at once, 128 probes, and so the most that is kept for a peer that does not
/// read: ten thousand of them are 20 MB.
pub(crate) const BUFFER: usize = 2 * 1024;

/// How often a connection may read before others go on. The second read is the one that finds
/// nothing, and so asks to be woken.
const READS: usize = 2;

/// How often it may when it has waited for its turn.
const READS_IN_A_TURN: usize = 8;

thread_local! {
    /// What was read, until it is written: within one poll, so one buffer serves every
    /// connection of the thread.
    static SCRATCH: RefCell<[u8; BUFFER]> = const { RefCell::new([0; BUFFER]) };
}

/// Why a connection ended, if not by the peer's orderly end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// By the server's own decision.
    #[error("closed: {}", .0.as_str())]
    Closed(CloseReason),
    /// It failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Echoes until the peer closes, the connection fails, or its time is over.
///
/// A few bytes are echoed as soon as they come, whoever else has many: that is how a probe comes.
/// Whoever sends more than [`BUFFER`] at once waits for turns in a queue ([`Turns`]) until there
/// is no more.
///
/// A future by hand, since its size counts ten thousand times and its poll is the whole of what
/// the server adds to a round trip: `poll_read` knows that a short read has drained the socket
/// and spares the read that would say so, and the timer is looked at without being polled.
#[derive(Debug)]
pub(crate) struct Echo {
    stream: TcpStream,
    deadline: Deadline,
    /// What the peer's socket has not taken yet. Nothing is read while there is any.
    unsent: Option<Box<Unsent>>,
    place: Place,
    turns: Arc<Turns>,
    admission: Admission,
}

/// What was read at once, and is not yet written whole.
#[derive(Debug)]
struct Unsent {
    bytes: Box<[u8]>,
    written: usize,
    since: Instant,
}

/// Where a connection stands.
#[derive(Debug)]
enum Place {
    /// Its bytes are few: they are echoed at once.
    Free,
    /// It has many, and waits until it is called.
    Queued(Ticket),
    /// It had its turn, and waits for the peer.
    Busy,
    /// Its time is over, and it waits until it is called.
    Ending(Ticket, CloseReason),
}

/// What became of one read.
enum Read {
    /// There was nothing: the peer has sent its last.
    End,
    /// There is no more.
    All,
    /// There may be more.
    Part,
}

impl Echo {
    pub(crate) fn new(stream: TcpStream, turns: Arc<Turns>, admission: Admission) -> Self {
        Self {
            stream,
            deadline: Deadline::new(),
            unsent: None,
            place: Place::Free,
            turns,
            admission,
        }
    }

    /// Resolves when every unsent byte is written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent) = &mut self.unsent {
            let rest = &unsent.bytes[unsent.written..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            self.deadline.on_traffic(Instant::now());
            self.admission.stats().on_echoed(written);
            unsent.written += written;
            if unsent.written >= unsent.bytes.len() {
                self.unsent = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, and writes it back as far as the socket takes it.
    fn poll_echo(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(Read::End));
            }
            let now = Instant::now();
            self.deadline.on_traffic(now);
            let written = match Pin::new(&mut self.stream).poll_write(cx, read)? {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            self.admission.stats().on_echoed(written);
            if written < read.len() {
                self.unsent = Some(Box::new(Unsent {
                    bytes: read[written..].into(),
                    written: 0,
                    since: now,
                }));
                self.deadline.on_unsent();
            }
            Poll::Ready(Ok(if read.len() < BUFFER {
                Read::All
            } else {
                Read::Part
            }))
        })
    }

    /// What is left to do where the socket has nothing for us: mind the time. When it is over the
    /// connection waits for its turn to end: thousands may be due at once, and each costs as much
    /// as the kernel holds for it.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let unsent_since = self.unsent.as_ref().map(|unsent| unsent.since);
        let timeouts = self.admission.timeouts();
        let reason = ready!(self.deadline.poll(timeouts, unsent_since, cx));
        self.place = Place::Ending(self.turns.queue(cx.waker()), reason);
        Poll::Pending
    }

    /// Ends it by the server's decision.
    fn end(&self, reason: CloseReason) -> Ended {
        self.admission.stats().on_closed(reason);
        if reason == CloseReason::SlowReader {
            // What the kernel still holds for this peer goes with the connection. An orderly end
            // would keep it for as long as the peer's host says that it is there.
            let _ = self.stream.set_zero_linger();
        }
        Ended::Closed(reason)
    }

    fn queue(&mut self, cx: &Context<'_>) {
        self.place = Place::Queued(self.turns.queue(cx.waker()));
    }
}

impl Future for Echo {
    type Output = Result<(), Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let reads = match &this.place {
            Place::Free => READS,
            Place::Queued(ticket) if this.turns.is_called(ticket) => READS_IN_A_TURN,
            Place::Ending(ticket, reason) if this.turns.is_called(ticket) => {
                return Poll::Ready(Err(this.end(*reason)));
            }
            // Woken by what came meanwhile.
            Place::Queued(_) | Place::Ending(..) => return Poll::Pending,
            Place::Busy => {
                this.queue(cx);
                return Poll::Pending;
            }
        };
        for left in (0..reads).rev() {
            let echoed = match this.poll_flush(cx)? {
                Poll::Ready(()) => this.poll_echo(cx)?,
                Poll::Pending => {
                    this.place = Place::Busy;
                    return this.poll_deadline(cx);
                }
            };
            match echoed {
                Poll::Ready(Read::All) => this.place = Place::Free,
                Poll::Ready(Read::Part) => {
                    if left == 0 || matches!(this.place, Place::Free) {
                        this.queue(cx);
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Read::End) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    this.place = Place::Free;
                    return this.poll_deadline(cx);
                }
            }
        }
        // More has come meanwhile. Waking ourselves would put us before those whose bytes the
        // runtime has not yet heard of; yielding lets it look first.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpStream};
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::{BUFFER, Echo, READS_IN_A_TURN};
    use crate::gate::Gate;
    use crate::turns::Turns;
    use crate::{ServerConfig, ServerStats};

    /// An echo that was never polled, its other end, and its counts.
    async fn pair() -> (Echo, TcpStream, Arc<ServerStats>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let config = ServerConfig::default();
        let stats = Arc::new(ServerStats::default());
        let admission = Gate::new(&config, Arc::clone(&stats))
            .admit(address.ip())
            .unwrap();
        let turns = Arc::new(Turns::default());
        let echo = Echo::new(stream, turns, admission);
        (echo, peer, stats)
    }

    /// `poll_fn` that does not poll for ever.
    async fn poll_until_done(poll: impl FnMut(&mut Context<'_>) -> Poll<()>) {
        tokio::time::timeout(Duration::from_secs(20), poll_fn(poll))
            .await
            .expect("it took too long");
    }

    #[tokio::test]
    async fn few_bytes_go_at_once_and_many_by_turns() {
        let (mut echo, mut peer, stats) = pair().await;
        let turns = Arc::clone(&echo.turns);
        let mut calling = pin!(turns.run());
        // It fits into any socket's buffer.
        let flood = vec![1; 2 * READS_IN_A_TURN * BUFFER];
        peer.write_all(&flood).unwrap();
        echo.stream.readable().await.unwrap();
        let mut steps = Vec::new();
        let mut is_called = false;
        poll_until_done(|cx| {
            if is_called {
                assert!(calling.as_mut().poll(cx).is_pending());
            }
            let before = stats.echoed_bytes();
            assert!(Pin::new(&mut echo).poll(cx).is_pending());
            let echoed = stats.echoed_bytes() - before;
            if !is_called {
                assert!(echoed <= BUFFER as u64, "{echoed} without a turn");
                // Whatever wakes it, it waits for its turn.
                is_called = echoed == 0 && before > 0;
            }
            let most = (READS_IN_A_TURN * BUFFER) as u64;
            assert!(echoed <= most, "{echoed} in a turn");
            steps.push(echoed);
            if stats.echoed_bytes() == flood.len() as u64 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        assert!(steps.contains(&0), "{steps:?}");

        // It has few again, and they need no turn.
        peer.write_all(b"few").unwrap();
        poll_until_done(|cx| {
            assert!(Pin::new(&mut echo).poll(cx).is_pending());
            if stats.echoed_bytes() == flood.len() as u64 + 3 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[tokio::test]
    async fn no_more_is_kept_than_one_buffer() {
        let (mut echo, mut peer, _) = pair().await;
        let turns = Arc::clone(&echo.turns);
        let mut calling = pin!(turns.run());
        peer.set_nonblocking(true).unwrap();
        let mut idle_polls = 0;
        poll_until_done(|cx| {
            assert!(calling.as_mut().poll(cx).is_pending());
            let wrote = peer.write(&[1; BUFFER]).is_ok();
            assert!(Pin::new(&mut echo).poll(cx).is_pending());
            assert!(
                echo.unsent
                    .as_ref()
                    .is_none_or(|one| one.bytes.len() <= BUFFER)
            );
            // Full on both ways, for as long as the peer does not read.
            idle_polls = if wrote { 0 } else { idle_polls + 1 };
            if idle_polls == 100 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        assert!(echo.unsent.is_some());
    }
}
