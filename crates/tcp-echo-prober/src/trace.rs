//! Finds the routers on the path of a flow, with the flow's own addresses and ports.
//!
//! # How
//!
//! A SYN that may travel one hop is dropped by the first router, which says so; one that may travel
//! two by the second, and so on, until the destination answers. All of them have the addresses and the
//! ports of the flow, so routers that choose between equal paths by these send them where they send
//! the flow. The last SYN completes a handshake: that connection is returned, and is on the path that
//! was traced.
//!
//! One SYN is out at a time, since a host has one socket for each pair of addresses and ports. So a
//! trace takes the sum of the round-trip times to all hops, and a wait for each that is silent.
//!
//! # What it needs
//!
//! Linux 5.8, and no privilege. The flow must have no connection: [`abort`] it first. A connection that
//! was closed in order keeps the port for a minute on the side that closed it.
//!
//! A destination that has missed the reset of an earlier connection from that port answers the first
//! SYN that it gets with an acknowledgement, and forgets that connection when this host rejects it
//! (RFC 9293, section 3.10.7.3). Then the kernel sends the SYN again.
//!
//! # IPv6
//!
//! The same, with one more condition: routers may choose by the flow label, too (RFC 6438). Linux gives
//! each socket a random one. With [`SocketOptions::source_port`], sockets have the label 0 instead, the
//! same for the trace and for the connection. A trace without a given port takes one of the system's
//! choice, and gives its first SYN, which reaches the first router, a random label.
//!
//! # What it does not show
//!
//! - The way back, which may lead over other routers.
//! - Routers that don't answer, such as those inside of a tunnel or of an MPLS network, or one that limits
//!   its answers: Linux as a router gives each host six at once, and then one a second.
//! - The truth, where a router lies. Others can't: the kernel takes a report only with the ports and the
//!   sequence number of the SYN.
//! - Where a router chooses by other things than addresses, ports and the flow label, such as the packet's
//!   length, any of its paths.
//!
//! [`abort`]: tcp_echo_socket::abort

mod attempt;
mod limits;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::time::{Duration, Instant, SystemTime};

use tcp_echo_socket::OpenError;
use thiserror::Error;
use tokio::net::TcpStream;

use self::attempt::{Answer, Attempt, send_syn};
pub use self::limits::{TraceLimits, TracePace};
use crate::{Hop, Path, SocketOptions};

/// A trace that has ended.
#[derive(Debug)]
#[must_use]
pub struct Traced {
    /// What it has found.
    pub path: Path,
    /// Why it ended.
    pub end: TraceEnd,
}

/// Why a trace ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum TraceEnd {
    /// The destination accepted a connection.
    Connected {
        /// The connection, on the addresses and ports of [`Path::source`] and [`Path::destination`].
        /// No option is set that a plain socket does not have, apart from the [`SocketOptions`].
        stream: TcpStream,
        /// How long its handshake took.
        handshake: Duration,
    },
    /// The destination refused a connection.
    Refused,
    /// A router, or the destination's host, said that it can't or won't deliver. It is the last hop.
    Unreachable,
    /// As many hops in a row as [`TraceLimits::max_silent`] did not answer.
    Silent,
    /// The time was up.
    TimeLimit,
    /// The path is longer than [`TraceLimits::MAX_HOPS`], or a loop.
    HopLimit,
}

/// Why there is no trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// No socket, or an option of [`SocketOptions`] was refused.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The socket can't limit its hops or report routers: [`io::ErrorKind::Unsupported`] other than
    /// on Linux.
    #[error("cannot trace on this system: {0}")]
    Prepare(io::Error),
    /// This host can't send to the destination; [`io::ErrorKind::AddrNotAvailable`] if the flow still
    /// has a connection.
    #[error("cannot trace the path to {destination}: {error}")]
    Connect {
        /// The destination.
        destination: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
}

/// Finds the hops from this host to `destination`, and connects if the destination accepts.
///
/// The flow is that of `destination` and of `options`, with [`source`](SocketOptions::source) and
/// [`source_port`](SocketOptions::source_port). If one of these is not given, the system chooses it
/// once for the whole trace.
///
/// One socket is open at a time. If the future is dropped, the socket is closed, and a
/// connection that was just made is reset.
///
/// # Errors
///
/// [`TraceError`] if this host can't send. What routers and the destination say is a
/// [`TraceEnd`].
///
/// ```
/// use tcp_echo_prober::{SocketOptions, TraceEnd, TraceLimits, trace};
///
/// # #[cfg(target_os = "linux")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let destination = listener.local_addr()?;
/// let traced = trace(destination, &SocketOptions::default(), &TraceLimits::AT_CONNECT).await?;
/// for hop in &traced.path.hops {
///     println!("{} {:?} {:?}", hop.ttl, hop.address, hop.rtt);
/// }
/// if let TraceEnd::Connected { stream, .. } = traced.end {
///     println!("connected from port {}", stream.local_addr()?.port());
/// }
/// # assert!(traced.path.is_complete);
/// # Ok(())
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
pub async fn trace(
    destination: SocketAddr,
    options: &SocketOptions,
    limits: &TraceLimits,
) -> Result<Traced, TraceError> {
    let mut ladder = Ladder {
        destination,
        options: options.clone(),
        limits,
        deadline: Instant::now() + limits.time,
        source: None,
        longest: Duration::ZERO,
        hops: Vec::new(),
    };
    let end = ladder.climb().await?;
    let is_complete = match &end {
        TraceEnd::Connected { .. } | TraceEnd::Refused => true,
        TraceEnd::Unreachable => ladder.is_destination_last(),
        TraceEnd::Silent | TraceEnd::TimeLimit | TraceEnd::HopLimit => false,
    };
    let path = Path {
        source: ladder.source.unwrap_or_else(|| ladder.asked_source()),
        destination,
        hops: ladder.hops,
        is_complete,
        ended: SystemTime::now(),
    };
    Ok(Traced { path, end })
}

/// A trace in progress.
struct Ladder<'a> {
    destination: SocketAddr,
    /// With the flow's own source, once it is known.
    options: SocketOptions,
    limits: &'a TraceLimits,
    deadline: Instant,
    source: Option<SocketAddr>,
    /// The longest round-trip time so far.
    longest: Duration,
    hops: Vec<Hop>,
}

impl Ladder<'_> {
    async fn climb(&mut self) -> Result<TraceEnd, TraceError> {
        let mut silent = 0;
        for ttl in (1..=TraceLimits::MAX_HOPS).filter_map(NonZeroU8::new) {
            let Some(attempt) = self.try_hop(ttl).await? else {
                return Ok(TraceEnd::TimeLimit);
            };
            let rtt = attempt.elapsed;
            match attempt.answer {
                Answer::TimeExceeded(address) => {
                    self.push(ttl, address, Some(rtt));
                    silent = 0;
                }
                Answer::Unreachable(address) => {
                    self.push(ttl, address, Some(rtt));
                    return Ok(TraceEnd::Unreachable);
                }
                Answer::Refused => {
                    self.push(ttl, Some(self.destination.ip()), Some(rtt));
                    return Ok(TraceEnd::Refused);
                }
                Answer::Connected(stream) => {
                    self.push(ttl, Some(self.destination.ip()), Some(rtt));
                    let handshake = rtt;
                    return Ok(TraceEnd::Connected { stream, handshake });
                }
                Answer::Silence => {
                    self.push(ttl, None, None);
                    silent += 1;
                    if silent >= self.limits.max_silent {
                        return Ok(TraceEnd::Silent);
                    }
                }
            }
        }
        Ok(TraceEnd::HopLimit)
    }

    /// Tries a hop, on a lossy path twice; `None` when the time is up.
    async fn try_hop(&mut self, ttl: NonZeroU8) -> Result<Option<Attempt>, TraceError> {
        let mut is_again = false;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let wait = self.limits.wait(self.longest);
            if left.is_zero() {
                return Ok(None);
            }
            let attempt = send_syn(self.destination, &self.options, ttl, wait, left).await?;
            self.keep_source(attempt.source);
            if !matches!(attempt.answer, Answer::Silence) {
                self.longest = self.longest.max(attempt.elapsed);
                return Ok(Some(attempt));
            }
            if left < wait {
                return Ok(None);
            }
            if is_again || !self.limits.is_lossy {
                return Ok(Some(attempt));
            }
            is_again = true;
        }
    }

    /// All SYNs are sent from where the first one was.
    fn keep_source(&mut self, source: SocketAddr) {
        if self.source.is_none() {
            self.source = Some(source);
            self.options.source = Some(source.ip());
            self.options.source_port = Some(source.port());
        }
    }

    fn push(&mut self, ttl: NonZeroU8, address: Option<IpAddr>, rtt: Option<Duration>) {
        self.hops.push(Hop {
            ttl: ttl.get(),
            address,
            rtt,
        });
    }

    fn is_destination_last(&self) -> bool {
        let last = self.hops.last().and_then(|hop| hop.address);
        last == Some(self.destination.ip().to_canonical())
    }

    /// The source as far as it was asked for, if no SYN was sent.
    fn asked_source(&self) -> SocketAddr {
        let any = match self.destination {
            SocketAddr::V4(_) => IpAddr::from([0; 4]),
            SocketAddr::V6(_) => IpAddr::from([0; 16]),
        };
        let address = self.options.source.unwrap_or(any);
        SocketAddr::new(address, self.options.source_port.unwrap_or(0))
    }
}
