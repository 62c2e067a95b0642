//! A connection: frames out, frames in, whatever the boundaries.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tcp_echo_session::{Decoder, DisconnectReason, FRAME_LEN, Probe, Stamp, Time, UnixNanos};
use tcp_echo_socket::Received;
use tokio::{io::Interest, net::TcpStream};

use crate::{clock, sockets::Permit};

/// Reads of one connection before the other tasks of its thread have their turn.
pub(crate) const READS_IN_TURN: usize = 16;

/// Enough for the replies of several slots; a peer that sends more is read in turns.
const READ_LEN: usize = 64 * FRAME_LEN;

/// One connection to a target.
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    decoder: Decoder,
    /// A frame of which the kernel has taken a part, and how much of it.
    partial: Option<([u8; FRAME_LEN], usize)>,
    /// All that had arrived by then was read.
    read_until: Instant,
    /// What is read in turns until then.
    backlog: Option<Backlog>,
    /// For the socket of the stream, and so dropped after it.
    _permit: Permit,
}

/// What lay in the socket at a moment, and was not read yet.
#[derive(Clone, Copy, Debug)]
struct Backlog {
    at: Instant,
    bytes: usize,
}

/// What came of handing a frame to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It took all of it.
    Whole,
    /// It took a part; the rest follows when there is room.
    Part,
    /// It took nothing.
    Nothing,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, address: SocketAddr, permit: Permit) -> Self {
        Self {
            stream,
            address,
            decoder: Decoder::new(),
            partial: None,
            read_until: Instant::now(),
            backlog: None,
            _permit: permit,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a frame, behind which no other is half written.
    #[inline]
    pub(crate) fn write(&mut self, frame: [u8; FRAME_LEN]) -> io::Result<Written> {
        match self.stream.try_write(&frame) {
            Ok(FRAME_LEN) => Ok(Written::Whole),
            Ok(taken) => {
                self.partial = Some((frame, taken));
                Ok(Written::Part)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes the rest of a frame as the kernel takes it; ready when all of it is
    /// written, pending also where no frame is half written.
    pub(crate) fn poll_finish_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some((frame, taken)) = &mut self.partial else {
                return Poll::Pending;
            };
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(&frame[*taken..]) {
                Ok(more) => *taken += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if *taken == FRAME_LEN {
                self.partial = None;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Waits until there is something to read.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    /// Reads once, if the runtime knows of something to read, and gives each whole
    /// frame to `frame`. Gives when it has read something.
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
            // A short read has emptied the socket: to say so spares the system call
            // that would find it out. Whatever arrives from here on is a new edge.
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

    /// Reads what had arrived by `now`, whether or not the runtime knows of it yet. Gives
    /// up to when all that had arrived is read: `now`, or where there is more than one
    /// turn's share an earlier moment; it then goes on when it is called again.
    ///
    /// It stops at what lay in the socket at first, so that a peer that sends without
    /// end is judged all the same.
    pub(crate) fn catch_up(
        &mut self,
        now: Instant,
        mut frame: impl FnMut(Stamp, Probe),
    ) -> io::Result<Instant> {
        for _ in 0..READS_IN_TURN {
            if self.read_now(&mut frame)? < READ_LEN {
                self.backlog = None;
                self.read_until = now;
                break;
            }
            let backlog = match self.backlog {
                Some(backlog) => backlog,
                None => Backlog {
                    at: now,
                    bytes: tcp_echo_socket::unread(&self.stream)?,
                },
            };
            self.backlog = (backlog.bytes > 0).then_some(backlog);
            if self.backlog.is_none() {
                self.read_until = backlog.at;
                break;
            }
        }
        Ok(self.read_until)
    }

    /// Reads once; gives how many bytes, of which fewer than asked for, perhaps none, have
    /// emptied the socket.
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
        let stamp = Stamp {
            read,
            kernel: received.kernel.and_then(unix_nanos),
        };
        for probe in self.decoder.feed(&bytes[..received.len]) {
            frame(stamp, probe);
        }
        Ok(read)
    }

    /// The kernel's view of the connection, where it tells.
    pub(crate) fn tcp_info(&self) -> Option<tcp_echo_session::TcpInfo> {
        let info = tcp_echo_socket::tcp_info(&self.stream).ok()?;
        Some(tcp_echo_session::TcpInfo {
            srtt: info.srtt,
            rttvar: info.rttvar,
            min_rtt: info.min_rtt,
            retransmits: info.total_retransmits,
        })
    }

    /// Ends the connection: in order, or where nobody answers any more at once, so
    /// that the kernel does not go on to send into a dead path.
    pub(crate) fn close(self, reason: DisconnectReason) {
        if reason == DisconnectReason::Stalled {
            // Where it is refused, the kernel keeps trying for a while.
            let _ = tcp_echo_socket::abort(self.stream);
        }
    }
}

fn unix_nanos(since_epoch: Duration) -> Option<UnixNanos> {
    i64::try_from(since_epoch.as_nanos()).ok().map(UnixNanos)
}

/// What an error of a connection means.
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
