//! One connection: what comes in goes out.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::deadlines::Timeouts;
use crate::limiter::ClientId;
use crate::{CloseReason, ServerStats};

/// How much is read at once, 128 probes, and so the most that is kept for a peer that does not
/// read: ten thousand of them are 20 MB.
pub(crate) const BUFFER: usize = 2 * 1024;

/// Whether a read that leaves room in the buffer has drained the socket, so that the poller tells
/// of what comes next. On Windows only a read that finds nothing makes it do so.
const SHORT_READ_IS_LAST: bool = cfg!(not(windows));

/// How much a connection has to echo, by what it had last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Less than [`BUFFER`], as probes are.
    Light,
    /// More, or more than the peer's socket took.
    Heavy,
}

impl Load {
    /// How often to read before others are served. Of a light load the second read is the one
    /// that finds nothing or the end; between two reads of a heavy one others have their turn.
    const fn reads(self) -> usize {
        match self {
            Self::Light => 2,
            Self::Heavy => 1,
        }
    }
}

/// What became of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// All was echoed. The poller tells when there is more.
    All,
    /// There may be more to read.
    Part,
    /// The peer's socket does not take the rest. The poller tells when it does.
    Blocked,
    /// The peer has sent its last, and all of it was echoed.
    End,
}

/// A connection that is echoed.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    client: ClientId,
    last_traffic: Instant,
    load: Load,
    /// What was read since the socket was last empty.
    burst: usize,
    /// When the loop looks whether it has to end.
    pub(crate) deadline: Option<Instant>,
    /// What the peer's socket has not taken yet. Nothing is read while there is any.
    unsent: Option<Box<Unsent>>,
    /// The peer has closed its side: a short read is not the last one, the end comes after it.
    is_read_closed: bool,
    /// It waits to be served.
    pub(crate) is_queued: bool,
    /// Its deadline has passed.
    pub(crate) is_due: bool,
}

/// What was read at once, and is not yet written whole.
#[derive(Debug)]
struct Unsent {
    bytes: Box<[u8]>,
    written: usize,
    since: Instant,
}

impl Connection {
    /// Takes a connection in, which the poller will know by `token`.
    pub(crate) fn register(
        mut stream: TcpStream,
        client: ClientId,
        now: Instant,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            client,
            last_traffic: now,
            load: Load::Light,
            burst: 0,
            deadline: None,
            unsent: None,
            is_read_closed: false,
            is_queued: false,
            is_due: false,
        })
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    /// How much it is likely to have next.
    pub(crate) const fn load(&self) -> Load {
        self.load
    }

    /// Whether the peer's socket has not taken all that was read.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.unsent.is_some()
    }

    /// How much is kept for the peer.
    #[cfg(test)]
    pub(crate) fn unsent_len(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.bytes.len())
    }

    /// The peer has closed its side, or the connection has failed.
    pub(crate) const fn on_read_closed(&mut self) {
        self.is_read_closed = true;
    }

    /// When it has to end, and why.
    pub(crate) fn due(&self, timeouts: &Timeouts) -> Option<(Instant, CloseReason)> {
        let unsent_since = self.unsent.as_ref().map(|unsent| unsent.since);
        timeouts.due(self.last_traffic, unsent_since)
    }

    /// Why it has to end by `now`, if it has.
    pub(crate) fn overdue(&self, timeouts: &Timeouts, now: Instant) -> Option<CloseReason> {
        let (due, reason) = self.due(timeouts)?;
        (due <= now).then_some(reason)
    }

    /// Has the poller tell when the peer's socket takes more, or when there is more to read.
    pub(crate) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = if self.is_blocked() {
            Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        registry.reregister(&mut self.stream, token, interest)
    }

    /// Has what the kernel still holds for the peer go with the connection. An orderly end would
    /// keep it for as long as the peer's host says that it is there.
    pub(crate) fn reset_on_close(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Echoes what there is, up to what its load allows at a time.
    pub(crate) fn serve(
        &mut self,
        buffer: &mut [u8; BUFFER],
        now: Instant,
        stats: &ServerStats,
    ) -> io::Result<Served> {
        let served = self.echo(buffer, now, stats)?;
        self.load = match served {
            Served::All if std::mem::take(&mut self.burst) < BUFFER => Load::Light,
            _ => Load::Heavy,
        };
        Ok(served)
    }

    fn echo(
        &mut self,
        buffer: &mut [u8; BUFFER],
        now: Instant,
        stats: &ServerStats,
    ) -> io::Result<Served> {
        if !self.flush(now, stats)? {
            return Ok(Served::Blocked);
        }
        for _ in 0..self.load.reads() {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Ok(Served::End),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Served::All),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.last_traffic = now;
            self.burst = self.burst.saturating_add(read);
            let written = write(&mut self.stream, &buffer[..read])?;
            stats.on_echoed(written);
            if written < read {
                self.unsent = Some(Box::new(Unsent {
                    bytes: buffer[written..read].into(),
                    written: 0,
                    since: now,
                }));
                return Ok(Served::Blocked);
            }
            if read == BUFFER {
                break;
            }
            if SHORT_READ_IS_LAST && !self.is_read_closed {
                return Ok(Served::All);
            }
        }
        Ok(Served::Part)
    }

    /// Returns whether every unsent byte is written.
    fn flush(&mut self, now: Instant, stats: &ServerStats) -> io::Result<bool> {
        while let Some(unsent) = &mut self.unsent {
            let written = write(&mut self.stream, &unsent.bytes[unsent.written..])?;
            if written == 0 {
                return Ok(false);
            }
            self.last_traffic = now;
            stats.on_echoed(written);
            unsent.written += written;
            if unsent.written >= unsent.bytes.len() {
                self.unsent = None;
            }
        }
        Ok(true)
    }
}

/// Writes what the socket takes, which may be nothing.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}
