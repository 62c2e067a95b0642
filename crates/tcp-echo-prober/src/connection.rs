//! A connection that reads and writes whole frames.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tcp_echo_session::{
    Decoder, DisconnectReason, FRAME_LEN, PREFIXED_LEN, PrefixedDecoder, Probe, Segments, Stamp,
    Time, UnixNanos,
};
use tcp_echo_socket::{GapDetector, Received};
use tokio::{io::Interest, net::TcpStream};

use crate::{Wire, clock, sockets::Permit};

/// How many reads of one connection happen before other tasks of the thread run.
pub(crate) const READS_PER_POLL: usize = 16;

/// Enough for the replies of several slots; more takes several reads.
const READ_LEN: usize = 64 * FRAME_LEN;

/// One connection to a target.
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    framing: Framing,
    /// A partly written frame.
    partial: Option<Box<Partial>>,
    /// Whether the kernel stamped the last bytes.
    is_stamped: bool,
    gaps: GapDetector,
    /// The number of the last soft error of a connection that is sending again; else 0.
    soft_error: i32,
    /// Everything that had arrived by then was read.
    read_until: Instant,
    /// What is left to read up to a moment.
    backlog: Option<Box<Backlog>>,
    /// The permit of the stream's socket, dropped after it.
    _permit: Permit,
}

/// How frames are on the wire.
enum Framing {
    /// 16 bytes.
    Plain(Decoder),
    /// 24 bytes.
    Prefixed(Box<PrefixedDecoder>),
}

/// A frame of which the kernel has taken a part.
struct Partial {
    bytes: [u8; PREFIXED_LEN],
    len: usize,
    taken: usize,
}

/// The unread bytes of a socket at one moment.
#[derive(Debug)]
struct Backlog {
    at: Instant,
    bytes: usize,
}

/// How much of a frame the kernel has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// All of it.
    Whole,
    /// A part; the rest follows when there is room.
    Part,
    /// Nothing.
    Nothing,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// By an end of stream.
    Orderly,
    /// By a reset, so that the kernel stops sending into a dead path, and the port is free at once.
    Reset,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, address: SocketAddr, wire: Wire, permit: Permit) -> Self {
        Self {
            stream,
            address,
            framing: match wire {
                Wire::Plain => Framing::Plain(Decoder::new()),
                Wire::Prefixed => Framing::Prefixed(Box::default()),
            },
            partial: None,
            is_stamped: false,
            gaps: GapDetector::default(),
            soft_error: 0,
            read_until: Instant::now(),
            backlog: None,
            _permit: permit,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The local address and the peer's.
    pub(crate) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((self.stream.local_addr().ok()?, self.address))
    }

    /// Whether the kernel stamped the bytes of the last read.
    pub(crate) fn is_stamped(&self) -> bool {
        self.is_stamped
    }

    /// Writes a frame; nothing of it while another one is partly written.
    #[inline]
    pub(crate) fn write(&mut self, frame: [u8; FRAME_LEN]) -> io::Result<Written> {
        if self.partial.is_some() {
            return Ok(Written::Nothing);
        }
        match &self.framing {
            Framing::Plain(_) => self.write_bytes(frame),
            Framing::Prefixed(_) => self.write_bytes(Probe::decode(&frame).encode_prefixed()),
        }
    }

    #[inline]
    fn write_bytes<const N: usize>(&mut self, frame: [u8; N]) -> io::Result<Written> {
        match self.stream.try_write(&frame) {
            Ok(taken) if taken == N => Ok(Written::Whole),
            Ok(taken) => {
                let mut bytes = [0; PREFIXED_LEN];
                bytes[..N].copy_from_slice(&frame);
                let len = N;
                self.partial = Some(Box::new(Partial { bytes, len, taken }));
                Ok(Written::Part)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes the rest of a partly written frame. Ready when all of it is written; pending
    /// also when there is none.
    pub(crate) fn poll_finish_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(partial) = &mut self.partial else {
                return Poll::Pending;
            };
            let Partial { bytes, len, taken } = &mut **partial;
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(&bytes[*taken..*len]) {
                Ok(more) => *taken += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if *taken == *len {
                self.partial = None;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Waits until the socket is readable.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    /// Reads once if the socket is readable, and passes each whole frame to `frame`. Returns
    /// the time of the read, or `None` if there was nothing.
    #[inline]
    pub(crate) fn read(&mut self, frame: impl FnMut(Stamp, Probe)) -> io::Result<Option<Time>> {
        let mut buffer = [0; READ_LEN];
        let mut last = None;
        let stream = &self.stream;
        let read = stream.try_io(Interest::READABLE, || {
            let received = tcp_echo_socket::recv(stream, &mut buffer)?;
            if received.len == 0 || received.len == READ_LEN {
                return Ok(received);
            }
            // A short read has emptied the socket. Clearing the readiness saves a system call;
            // new bytes are a new edge.
            last = Some(received);
            Err(io::ErrorKind::WouldBlock.into())
        });
        let received = match (read, last) {
            (_, Some(received)) | (Ok(received), None) => received,
            (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            (Err(error), None) => return Err(error),
        };
        self.decode(received, &buffer, frame).map(Some)
    }

    /// Reads what had arrived by `now`, even if the runtime has not noticed it yet. Returns up
    /// to when everything was read: `now`, or an earlier moment if there is too much for one
    /// call. The next call then continues.
    ///
    /// It stops after the bytes that were there at first, so that timeouts are counted even
    /// if the peer never stops sending.
    pub(crate) fn catch_up(
        &mut self,
        now: Instant,
        mut frame: impl FnMut(Stamp, Probe),
    ) -> io::Result<Instant> {
        for _ in 0..READS_PER_POLL {
            if self.read_now(&mut frame)? < READ_LEN {
                self.backlog = None;
                self.read_until = now;
                break;
            }
            let backlog = match self.backlog.take() {
                Some(backlog) => backlog,
                None => Box::new(Backlog {
                    at: now,
                    bytes: tcp_echo_socket::unread(&self.stream)?,
                }),
            };
            let at = backlog.at;
            self.backlog = (backlog.bytes > 0).then_some(backlog);
            if self.backlog.is_none() {
                self.read_until = at;
                break;
            }
        }
        Ok(self.read_until)
    }

    /// Reads once. Returns the number of bytes; less than a full buffer means that the socket
    /// is empty.
    fn read_now(&mut self, frame: impl FnMut(Stamp, Probe)) -> io::Result<usize> {
        let mut buffer = [0; READ_LEN];
        match tcp_echo_socket::recv(&self.stream, &mut buffer) {
            Ok(received) => {
                self.decode(received, &buffer, frame)?;
                Ok(received.len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn decode(
        &mut self,
        received: Received,
        bytes: &[u8],
        mut frame: impl FnMut(Stamp, Probe),
    ) -> io::Result<Time> {
        if received.len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let read = clock::now();
        if let Some(backlog) = &mut self.backlog {
            backlog.bytes = backlog.bytes.saturating_sub(received.len);
        }
        self.is_stamped = received.kernel.is_some();
        let mut kernel = received.kernel.and_then(unix_nanos);
        if let Some(stamp) = kernel
            && self.gaps.waited_for_gap(&self.stream, waited(read, stamp))
        {
            // It can't have been read before now.
            kernel = None;
        }
        let stamp = Stamp { read, kernel };
        let bytes = &bytes[..received.len];
        match &mut self.framing {
            Framing::Plain(decoder) => decoder.feed(bytes).for_each(|probe| frame(stamp, probe)),
            Framing::Prefixed(decoder) => decoder.feed(bytes, |probe| frame(stamp, probe)),
        }
        Ok(read)
    }

    /// The kernel's view of the connection, where the system has one, and a new soft error of a
    /// connection that is sending again.
    pub(crate) fn tcp_info(&mut self) -> Option<(tcp_echo_session::TcpInfo, Option<io::Error>)> {
        let info = tcp_echo_socket::tcp_info(&self.stream).ok()?;
        self.gaps.observe(&info);
        let mut soft_error = None;
        if info.is_retransmitting {
            soft_error = tcp_echo_socket::soft_error(&self.stream);
            let number = soft_error.as_ref().and_then(io::Error::raw_os_error);
            self.soft_error = number.unwrap_or(self.soft_error);
        } else {
            self.soft_error = 0;
        }
        let segments = info.data_segments.map(|segments| Segments {
            sent: segments.sent,
            lost: segments.lost,
        });
        let info = tcp_echo_session::TcpInfo {
            srtt: info.srtt,
            rttvar: info.rttvar,
            min_rtt: info.min_rtt,
            retransmits: info.total_retransmits,
            segments,
            since_ack: info.since_ack,
            sacked: info.sacked,
            received_segments: info.received_segments,
            out_of_order: info.out_of_order,
        };
        Some((info, soft_error))
    }

    /// What a router or the host said of the peer since it has stopped to acknowledge.
    pub(crate) fn last_soft_error(&self) -> Option<io::Error> {
        (self.soft_error != 0).then(|| io::Error::from_raw_os_error(self.soft_error))
    }

    /// Closes the connection.
    pub(crate) fn close(self, closing: Closing) {
        if closing == Closing::Reset {
            // On failure the kernel keeps retransmitting for a while.
            let _ = tcp_echo_socket::abort(self.stream);
        }
    }
}

/// How long the bytes of a read waited for it.
fn waited(read: Time, kernel: UnixNanos) -> Duration {
    let waited = read.wall.0.saturating_sub(kernel.0);
    Duration::from_nanos(waited.max(0).unsigned_abs())
}

fn unix_nanos(since_epoch: Duration) -> Option<UnixNanos> {
    i64::try_from(since_epoch.as_nanos()).ok().map(UnixNanos)
}

/// Classifies an error of a connection.
pub(crate) fn disconnect_reason(error: &io::Error) -> DisconnectReason {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::UnexpectedEof => DisconnectReason::Eof,
        Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => {
            DisconnectReason::Reset
        }
        _ => DisconnectReason::Error,
    }
}
