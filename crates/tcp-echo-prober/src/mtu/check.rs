//! One check of a path: a frame alone, then as many as fill several segments.

use std::{io, net::SocketAddr, time::Duration};

use tcp_echo_session::{Direction, FRAME_LEN, MtuProbe, Probe, Seq};
use tokio::{
    io::Interest,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{SocketOptions, Wire, clock, dial::refuse_self};

#[cfg(all(test, target_os = "linux"))]
mod tests;

/// Sizes to look for, descending: of jumbo frames, Ethernet, `PPPoE`, and tunnels; the least that IPv6
/// requires, and the least that TCP assumes.
const SIZES: [u16; 12] = [
    8960, 1460, 1452, 1440, 1410, 1400, 1380, 1360, 1280, 1220, 1000, 536,
];
/// The size of segments on systems that don't tell it.
const ASSUMED: u16 = 1460;
/// How many segments a burst fills.
const SEGMENTS: usize = 3;
/// The length of a burst at most, where segments are very large.
const MAX_BURST: usize = 64 * 1024;
/// How often a check begins again where another socket of this host has taken the port of its first
/// connection.
const MAX_PORTS: usize = 3;

/// A check of the path to one peer.
pub(super) struct Check {
    pub(super) peer: SocketAddr,
    pub(super) socket: SocketOptions,
    pub(super) wire: Wire,
    /// The time for a handshake, and for an echo.
    pub(super) limit: Duration,
}

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) probe: MtuProbe,
    /// The source port of a path that drops large packets. The next check takes it again, since
    /// routers may choose between several paths by the port.
    pub(super) port: Option<u16>,
}

/// The result of one connection whose first frame came back.
struct Attempt {
    /// The size of its segments.
    segment: u16,
    passed: bool,
    /// If the burst did not pass, where it was lost; `None` if it is not known.
    direction: Option<Direction>,
    /// Its source port.
    port: u16,
}

/// The largest size that passes.
enum Size {
    Known {
        passes: Option<u16>,
        /// Whether a larger one did not pass during the search.
        is_confirmed: bool,
    },
    /// This system can't limit segments.
    Unsupported,
}

impl Check {
    /// Checks the path. `last` is the result of the check before. `None` if nothing is told: the path
    /// or the peer fails for small frames, too.
    pub(super) async fn run(&self, last: Option<Found>) -> Option<Found> {
        for _ in 0..MAX_PORTS {
            match self.run_once(last).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                ended => return ended.ok().flatten(),
            }
        }
        None
    }

    /// An error is that of the path or the peer, or that another socket has taken the port.
    async fn run_once(&self, last: Option<Found>) -> io::Result<Option<Found>> {
        let last_port = last.and_then(|last| last.port);
        let first = self.attempt(None, last_port).await?;
        let passes = Some(Found {
            probe: MtuProbe::Passes { mss: first.segment },
            port: None,
        });
        if first.passed {
            return Ok(passes);
        }
        let (sent, direction, port) = (first.segment, first.direction, Some(first.port));
        let drops = |passes| Found {
            probe: MtuProbe::Drops {
                sent,
                passes,
                direction,
            },
            port,
        };
        if let Some(last) = last
            && let MtuProbe::Drops { sent: before, .. } = last.probe
            && before == sent
        {
            // The port may be another one.
            return Ok(Some(Found { port, ..last }));
        }
        let (largest, is_confirmed) = match self.search(sent, port).await? {
            Size::Known {
                passes,
                is_confirmed,
            } => (passes, is_confirmed),
            Size::Unsupported => (None, false),
        };
        if is_confirmed && largest.is_none() && direction != Some(Direction::Forward) {
            // A peer that echoes no burst looks the same.
            return Ok(None);
        }
        // An outage of a moment is no such path.
        if !is_confirmed && self.attempt(None, port).await?.passed {
            return Ok(passes);
        }
        Ok(Some(drops(largest)))
    }

    /// Looks for the largest size below `sent` that passes.
    async fn search(&self, sent: u16, port: Option<u16>) -> io::Result<Size> {
        let smaller = SIZES.iter().position(|size| *size < sent);
        let sizes = &SIZES[smaller.unwrap_or(SIZES.len())..];
        // Those before `failed` don't pass, those from `passing` on do.
        let (mut failed, mut passing) = (0, sizes.len());
        while failed < passing {
            let middle = usize::midpoint(failed, passing);
            match self.attempt(Some(sizes[middle]), port).await {
                Ok(attempt) if attempt.passed => passing = middle,
                Ok(_) => failed = middle + 1,
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(Size::Unsupported);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Size::Known {
            passes: sizes.get(passing).copied(),
            is_confirmed: failed > 0,
        })
    }

    /// Sends a frame and, when it has come back, a burst, in segments of at most this size and from
    /// this port, if they are given.
    async fn attempt(&self, size: Option<u16>, port: Option<u16>) -> io::Result<Attempt> {
        let stream = timeout(self.limit, self.connect(size, port)).await??;
        let local = stream.local_addr()?;
        timeout(self.limit, exchange(&stream, &self.frames(1, 1))).await??;
        let segment = match tcp_echo_socket::sending(&stream) {
            Ok(sending) => sending.segment,
            Err(_) => size.unwrap_or(ASSUMED),
        };
        let burst = (SEGMENTS * usize::from(segment)).min(MAX_BURST);
        let burst = self.frames(2, burst / self.frame_len());
        let passed = match timeout(self.limit, exchange(&stream, &burst)).await {
            Ok(ended) => ended.map(|()| true)?,
            Err(_) => false,
        };
        let mut direction = None;
        if !passed && let Ok(sending) = tcp_echo_socket::sending(&stream) {
            direction = Some(match sending.unacknowledged {
                0 => Direction::Reverse,
                _ => Direction::Forward,
            });
        }
        if !passed || port.is_some() {
            // Nothing is sent again, and the port is free for the next connection.
            let _ = tcp_echo_socket::abort(stream);
        }
        Ok(Attempt {
            segment,
            passed,
            direction,
            port: local.port(),
        })
    }

    async fn connect(&self, size: Option<u16>, port: Option<u16>) -> io::Result<TcpStream> {
        let options = SocketOptions {
            source_port: port,
            ..self.socket.clone()
        };
        let opened = tcp_echo_socket::open(self.peer, &options)?;
        if self.peer.is_ipv6() {
            // As on the connections that have a port.
            let _ = tcp_echo_socket::disable_flow_labels(&opened.socket);
        }
        if let Some(size) = size {
            tcp_echo_socket::set_max_segment(&opened.socket, size)?;
        }
        let socket = TcpSocket::from_std_stream(opened.socket.into());
        let stream = socket.connect(self.peer).await?;
        refuse_self(&stream)?;
        tcp_echo_socket::configure_stream(&stream)?;
        Ok(stream)
    }

    fn frame_len(&self) -> usize {
        match self.wire {
            Wire::Plain => FRAME_LEN,
            Wire::Prefixed => tcp_echo_session::PREFIXED_LEN,
        }
    }

    /// Whole frames, numbered from `first` on.
    fn frames(&self, first: u64, count: usize) -> Vec<u8> {
        let sent = clock::now().wall;
        let mut bytes = Vec::with_capacity(count * self.frame_len());
        for seq in (first..).take(count) {
            let probe = Probe {
                seq: Seq(seq),
                sent,
            };
            match self.wire {
                Wire::Plain => bytes.extend(probe.encode()),
                Wire::Prefixed => bytes.extend(probe.encode_prefixed()),
            }
        }
        bytes
    }
}

/// Writes bytes and reads as many, which must be the same.
async fn exchange(stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let (mut written, mut read) = (0, 0);
    let mut buffer = [0; 4096];
    while read < bytes.len() {
        let interest = if written < bytes.len() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        stream.ready(interest).await?;
        if written < bytes.len() {
            written += or_nothing(stream.try_write(&bytes[written..]))?.unwrap_or(0);
        }
        let Some(more) = or_nothing(stream.try_read(&mut buffer))? else {
            continue;
        };
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes.get(read..read + more) != Some(&buffer[..more]) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        read += more;
    }
    Ok(())
}

fn or_nothing(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
