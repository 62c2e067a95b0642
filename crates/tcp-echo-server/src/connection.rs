//! One connection: what comes in goes out.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::gate::Admission;

/// How much is read at once, and so the most that is kept for a peer that does not read.
pub(crate) const BUFFER: usize = 16 * 1024;

/// How often a connection may read before others have their turn. The second read is the one
/// that finds nothing, and so asks to be woken.
const READS_PER_TURN: usize = 2;

thread_local! {
    /// What was read, until it is written: within one poll, so one buffer serves every
    /// connection of the thread.
    static SCRATCH: RefCell<[u8; BUFFER]> = const { RefCell::new([0; BUFFER]) };
}

/// Echoes until the peer closes, the connection fails, or it was idle for too long.
///
/// A future by hand, since its size counts ten thousand times and its poll is the whole of what
/// the server adds to a round trip: `poll_read` knows that a short read has drained the socket
/// and spares the read that would say so, and the timer is looked at without being polled.
#[derive(Debug)]
pub(crate) struct Echo {
    stream: TcpStream,
    idle: Option<IdleTimer>,
    /// Read, but not yet taken by the peer's socket. Nothing is read while there is any.
    unsent: Bytes,
    admission: Admission,
}

impl Echo {
    pub(crate) fn new(
        stream: TcpStream,
        idle_timeout: Option<Duration>,
        admission: Admission,
    ) -> Self {
        Self {
            stream,
            idle: idle_timeout
                .filter(|timeout| !timeout.is_zero())
                .map(IdleTimer::new),
            unsent: Bytes::new(),
            admission,
        }
    }

    /// Resolves when every unsent byte is written.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            self.on_traffic();
            self.admission.stats().on_echoed(written);
            self.unsent.advance(written);
            if self.unsent.is_empty() {
                // An empty `Bytes` that was advanced would keep its memory.
                self.unsent = Bytes::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and writes it back, as far as the socket takes it. Resolves with whether there
    /// was anything; if not, the peer has sent its last.
    fn poll_echo(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.on_traffic();
            let written = match Pin::new(&mut self.stream).poll_write(cx, read)? {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            self.admission.stats().on_echoed(written);
            if written < read.len() {
                self.unsent = Bytes::copy_from_slice(&read[written..]);
            }
            Poll::Ready(Ok(true))
        })
    }

    fn on_traffic(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.last_traffic = Instant::now();
        }
    }

    /// What is left to do where the socket has nothing for us: mind the time.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(idle) = &mut self.idle else {
            return Poll::Pending;
        };
        ready!(idle.poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "nothing was sent or received for the idle timeout",
        )))
    }
}

impl Future for Echo {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        for _ in 0..READS_PER_TURN {
            let echoed = match this.poll_flush(cx)? {
                Poll::Ready(()) => this.poll_echo(cx)?,
                Poll::Pending => Poll::Pending,
            };
            match echoed {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Ok(())),
                Poll::Pending => return this.poll_idle(cx),
            }
        }
        // There may be more. Waking ourselves would put us before those whose bytes the runtime
        // has not yet heard of; yielding lets it look first.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }
}

/// A timer that traffic does not touch: it notes the time of the last, and the timer, when it
/// fires, is set again to what is left.
#[derive(Debug)]
struct IdleTimer {
    timeout: Duration,
    last_traffic: Instant,
    sleep: Pin<Box<Sleep>>,
    /// Whether `sleep` holds the task's waker. A spawned task has the same one all its life, and
    /// a turn is far shorter than what tokio lets a task do before its timers refuse to be polled.
    armed: bool,
}

impl IdleTimer {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            last_traffic: Instant::now(),
            sleep: Box::pin(tokio::time::sleep(timeout)),
            armed: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.armed && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.armed = true;
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let left = self.timeout.saturating_sub(self.last_traffic.elapsed());
            if left.is_zero() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(Instant::now() + left);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpStream};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::{BUFFER, Echo, READS_PER_TURN};
    use crate::gate::Gate;
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
        let echo = Echo::new(stream, config.idle_timeout, admission);
        (echo, peer, stats)
    }

    /// `poll_fn` that does not poll for ever.
    async fn poll_until_done(poll: impl FnMut(&mut Context<'_>) -> Poll<()>) {
        tokio::time::timeout(Duration::from_secs(20), poll_fn(poll))
            .await
            .expect("it took too long");
    }

    #[tokio::test]
    async fn a_flood_gives_way_after_its_turn() {
        let (mut echo, mut peer, stats) = pair().await;
        // More than a turn takes, and it fits into any socket's buffer.
        let flood = vec![1; BUFFER * 3];
        peer.write_all(&flood).unwrap();
        echo.stream.readable().await.unwrap();
        let mut polls = 0;
        poll_until_done(|cx| {
            let before = stats.echoed_bytes();
            assert!(Pin::new(&mut echo).poll(cx).is_pending());
            let echoed = stats.echoed_bytes() - before;
            assert!(echoed <= (READS_PER_TURN * BUFFER) as u64);
            polls += 1;
            // It woke itself, or this would never be called again.
            if stats.echoed_bytes() == flood.len() as u64 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        assert!(polls >= 2);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_one_buffer() {
        let (mut echo, mut peer, _) = pair().await;
        peer.set_nonblocking(true).unwrap();
        let mut idle_polls = 0;
        poll_until_done(|cx| {
            let wrote = peer.write(&[1; BUFFER]).is_ok();
            assert!(Pin::new(&mut echo).poll(cx).is_pending());
            assert!(echo.unsent.len() <= BUFFER);
            // Full on both ways, for as long as the peer does not read.
            idle_polls = if wrote { 0 } else { idle_polls + 1 };
            if idle_polls == 100 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        assert!(!echo.unsent.is_empty());
    }
}
