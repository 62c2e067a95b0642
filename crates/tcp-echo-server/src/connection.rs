//! One connection, echoed.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;
use tcp_echo_wire::{Control, Identity};

use crate::clients::{Clients, Counted};
use crate::deadlines::Timeouts;
use crate::greeted::{Echo, Greeted};
use crate::limiter::ClientId;
use crate::{CloseReason, ServerStats};

/// The size of one read, 128 probes, and so the maximum that is kept for a peer that does not
/// read: 20 MB for ten thousand of them.
pub(crate) const BUFFER: usize = 2 * 1024;

/// Whether a short read has drained the socket, so that the next bytes are a new event. On Windows
/// only a read that finds nothing has.
const SHORT_READ_IS_LAST: bool = cfg!(not(windows));

/// How much a connection has to echo, judged by its last service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Less than [`BUFFER`], as for probes.
    Light,
    /// At least that, or more than the peer's socket took.
    Heavy,
}

impl Load {
    /// How often to read before other connections are served. The second read of a light load
    /// finds nothing, or the end; between two reads of a heavy one others are served.
    const fn reads(self) -> usize {
        match self {
            Self::Light => 2,
            Self::Heavy => 1,
        }
    }
}

/// The result of serving a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Everything was echoed. The next bytes are an event.
    All,
    /// There may be more to read.
    Part,
    /// The peer's socket does not take the rest. Being writable is an event.
    Blocked,
    /// The peer has closed its side, and everything was echoed.
    End,
}

/// A connection and its state.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    client: ClientId,
    last_traffic: Instant,
    load: Load,
    /// Bytes read since the socket was last empty.
    burst: usize,
    /// When the loop checks its timeouts.
    pub(crate) deadline: Option<Instant>,
    mode: Mode,
    /// Set if the client's segments are counted.
    counted: Option<Box<Counted>>,
    /// Bytes that the peer's socket has not taken yet. Nothing is read meanwhile.
    unsent: Option<Box<Unsent>>,
    /// The peer has closed its side: after a short read there is still the end to read.
    is_read_closed: bool,
    /// Whether it waits in a queue.
    pub(crate) is_queued: bool,
    /// Whether its deadline has passed.
    pub(crate) is_due: bool,
}

/// How bytes are echoed.
#[derive(Debug)]
pub(crate) enum Mode {
    /// The first bytes decide. A client may ask who the server is, if that is known.
    New(Option<Arc<Identity>>),
    /// Unchanged.
    Plain,
    /// As frames, since the client began with a hello.
    Greeted(Box<Greeted>),
}

/// The rest of one read that is not written yet.
#[derive(Debug)]
struct Unsent {
    bytes: Box<[u8]>,
    written: usize,
    since: Instant,
}

impl Connection {
    /// Registers a connection with the poller, as `token`.
    pub(crate) fn register(
        mut stream: TcpStream,
        client: ClientId,
        now: Instant,
        registry: &Registry,
        token: Token,
        mode: Mode,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            client,
            last_traffic: now,
            load: Load::Light,
            burst: 0,
            deadline: None,
            mode,
            counted: None,
            unsent: None,
            is_read_closed: false,
            is_queued: false,
            is_due: false,
        })
    }

    pub(crate) const fn client(&self) -> ClientId {
        self.client
    }

    /// How much it probably has to echo next.
    pub(crate) const fn load(&self) -> Load {
        self.load
    }

    /// Whether unsent bytes wait for the peer's socket.
    pub(crate) const fn is_blocked(&self) -> bool {
        self.unsent.is_some()
    }

    /// How many unsent bytes are kept.
    #[cfg(test)]
    pub(crate) fn unsent_len(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.bytes.len())
    }

    /// The peer has closed its side, or the connection has failed.
    pub(crate) const fn on_read_closed(&mut self) {
        self.is_read_closed = true;
    }

    /// When it times out, and why.
    pub(crate) fn due(&self, timeouts: &Timeouts) -> Option<(Instant, CloseReason)> {
        let unsent_since = self.unsent.as_ref().map(|unsent| unsent.since);
        timeouts.due(self.last_traffic, unsent_since)
    }

    /// Why it has timed out by `now`, if it has.
    pub(crate) fn overdue(&self, timeouts: &Timeouts, now: Instant) -> Option<CloseReason> {
        let (due, reason) = self.due(timeouts)?;
        (due <= now).then_some(reason)
    }

    /// Sets whether the client's segments are counted.
    pub(crate) fn set_counted(&mut self, counted: Option<Counted>) {
        self.counted = counted.map(Box::new);
    }

    /// Reads the kernel's counts of the connection, at most every few seconds, if they are counted.
    #[inline]
    pub(crate) fn count_segments(&mut self, now: Instant, clients: &Clients) {
        if let Some(counted) = &mut self.counted
            && counted.take_due(now)
        {
            record(&self.stream, counted, clients);
        }
    }

    /// Reads them once more before it is closed.
    pub(crate) fn count_last_segments(&mut self, now: Instant, clients: &Clients) {
        if let Some(mut counted) = self.counted.take() {
            record(&self.stream, &mut counted, clients);
            clients.on_close(*counted, now);
        }
    }

    /// Watches for being writable while it is blocked, else for being readable.
    pub(crate) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = if self.is_blocked() {
            Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        registry.reregister(&mut self.stream, token, interest)
    }

    /// Discards the kernel's unsent bytes at the close. An orderly close would keep them for as
    /// long as the peer's host acknowledges.
    pub(crate) fn reset_on_close(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Tells the client that the server stops, if it wants to know. Returns whether it is told: not if
    /// its socket has no room, since it does not read.
    pub(crate) fn depart(&mut self) -> io::Result<bool> {
        let wants = matches!(&self.mode, Mode::Greeted(greeted) if greeted.wants_departure());
        if !wants || self.is_blocked() {
            return Ok(false);
        }
        let frame = Control::Departure.encode();
        Ok(write(&mut self.stream, &frame)? == frame.len())
    }

    /// Echoes as much as its load allows at a time.
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
            let Echo { len, read, is_full } = match self.read(buffer) {
                Ok(Echo {
                    len: 0, read: 0, ..
                }) => return Ok(Served::End),
                Ok(echo) => echo,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Served::All),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.last_traffic = now;
            self.burst = self.burst.saturating_add(read);
            let written = write(&mut self.stream, &buffer[..len])?;
            stats.on_echoed(written);
            if written < len {
                self.unsent = Some(Box::new(Unsent {
                    bytes: buffer[written..len].into(),
                    written: 0,
                    since: now,
                }));
                return Ok(Served::Blocked);
            }
            if is_full || read == 0 {
                break;
            }
            if SHORT_READ_IS_LAST && !self.is_read_closed {
                return Ok(Served::All);
            }
        }
        Ok(Served::Part)
    }

    /// Reads once. The bytes to send back are at the start of the buffer.
    #[inline]
    fn read(&mut self, buffer: &mut [u8; BUFFER]) -> io::Result<Echo> {
        if let Mode::Greeted(greeted) = &mut self.mode {
            return greeted.read(&mut self.stream, buffer);
        }
        let read = self.stream.read(buffer)?;
        if let Mode::New(identity) = &self.mode
            && read > 0
        {
            let first = &mut buffer[..read];
            if let Some((greeted, echo)) = Greeted::begin(&self.stream, first, identity.as_ref()) {
                self.mode = Mode::Greeted(greeted);
                return Ok(echo);
            }
            self.mode = Mode::Plain;
        }
        Ok(Echo {
            len: read,
            read,
            is_full: read == BUFFER,
        })
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

fn record(stream: &TcpStream, counted: &mut Counted, clients: &Clients) {
    if let Ok(info) = tcp_echo_socket::tcp_info(stream) {
        clients.record(counted, &info);
    }
}

/// Writes as much as the socket takes, which may be nothing.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}
