//! Events of a session.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tcp_echo_wire::{Features, Identity, Segments, Seq};

use crate::{Direction, Episode, Excess};

/// An event of a target's session or connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A connection was made.
    Connected {
        /// The peer's address.
        address: SocketAddr,
        /// How long the TCP handshake took.
        handshake: Duration,
    },
    /// An attempt to connect failed.
    ConnectFailed {
        /// Why.
        reason: ConnectFailure,
    },
    /// The connection has ended.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// The kernel has taken a whole probe, which is now in flight.
    Sent {
        /// Its sequence number.
        seq: Seq,
        /// How long after its slot it was sent.
        lateness: Duration,
    },
    /// A reply arrived within the timeout.
    Received {
        /// The probe's sequence number.
        seq: Seq,
        /// The round-trip time, by the kernel's receive time if that is plausible, else by the
        /// process's clock.
        rtt: Duration,
        /// How long the reply waited in the prober's own host; known only if `rtt` is by the
        /// kernel's receive time.
        host_delay: Option<Duration>,
    },
    /// No reply to a probe arrived within the timeout.
    TimedOut {
        /// The probe's sequence number.
        seq: Seq,
    },
    /// A reply arrived after its timeout was counted.
    Late {
        /// The probe's sequence number.
        seq: Seq,
    },
    /// A frame answers no probe in flight and none that timed out: a duplicate, a wrong
    /// timestamp, garbage.
    Unexpected,
    /// Slots passed unsent.
    Unsent {
        /// Why.
        reason: UnsentReason,
        /// The number of slots; more than one only after a pause of the host or while
        /// disconnected.
        slots: u64,
    },
    /// `TCP_INFO` was read.
    TcpInfo(TcpInfo),
    /// The peer has answered the hello.
    Greeted {
        /// What it grants.
        features: Features,
    },
    /// The peer has said who it is: another one than before. At most once in ten minutes.
    PeerIdentity(Arc<Identity>),
    /// The peer has said that it stops, as for a restart. No slot is due until it answers on another
    /// connection, for two minutes at most; see
    /// [`Session::is_departed`](crate::Session::is_departed).
    Departed,
    /// The peer has told which data segments its kernel has sent and lost; see
    /// [`Session::segments`](crate::Session::segments).
    PeerSegments,
    /// The parts of the round trip of a reply that was [received](Self::Received).
    Excess(Excess),
    /// A router or the host said that the peer is unreachable while the connection lived on: an
    /// ICMP error that TCP keeps as a soft error (RFC 1122, section 4.2.3.9).
    SoftError,
    /// It was checked whether the path passes large packets.
    MtuProbe(MtuProbe),
    /// An episode has begun, its cause has become known, or it has ended. The last one has an end.
    Episode(Episode),
}

/// The kernel's view of a connection (tcp(7), `TCP_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// The smoothed RTT (RFC 6298).
    pub srtt: Duration,
    /// The RTT's variation (RFC 6298).
    pub rttvar: Duration,
    /// The minimum RTT of the recent past, where the kernel has it.
    pub min_rtt: Option<Duration>,
    /// Segments retransmitted, over all connections of the session.
    pub retransmits: u64,
    /// The data segments that this kernel has sent on the connection, where it counts them.
    pub segments: Option<Segments>,
    /// How long ago the last acknowledgement arrived, where the kernel says so; as are the next
    /// three.
    pub since_ack: Option<Duration>,
    /// Segments in flight that the peer has received after others that it has not (RFC 2018).
    pub sacked: Option<u32>,
    /// Segments that have arrived on the connection, with those that carry no data; wrapping.
    pub received_segments: Option<u32>,
    /// Segments that have arrived on the connection before an earlier one; wrapping.
    pub out_of_order: Option<u32>,
}

/// Whether a path passes packets as large as its ends send: the result of a check on a connection of
/// its own. Sizes are those of segments, in bytes with the options that each segment has: a full packet
/// has the headers of IP and TCP besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtuProbe {
    /// It does.
    Passes {
        /// The size of the segments.
        mss: u16,
    },
    /// Large packets are lost, and no router says so to this host; small ones pass.
    Drops {
        /// The size of the segments that don't pass.
        sent: u16,
        /// The largest size that passes, of those that were tried; `None` if it is not known.
        passes: Option<u16>,
        /// Where they are lost; `None` if it is not known.
        direction: Option<Direction>,
    },
}

impl std::fmt::Display for MtuProbe {
    /// One clause.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sent, passes, direction) = match self {
            Self::Passes { mss } => return write!(f, "segments of {mss} bytes pass"),
            Self::Drops {
                sent,
                passes,
                direction,
            } => (sent, passes, direction),
        };
        let way = match direction {
            Some(Direction::Forward) => "on the way there",
            Some(Direction::Reverse) => "on the way back",
            None => "on the way",
        };
        write!(
            f,
            "large packets are dropped {way}: segments of {sent} bytes don't pass"
        )?;
        match passes {
            Some(passes) => write!(f, ", {passes} do"),
            None => Ok(()),
        }
    }
}

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All variants, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in metrics, logs and documents.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

reasons! {
    /// Why a slot passed without a probe.
    UnsentReason {
        /// There was no connection.
        Disconnected => "disconnected",
        /// The kernel's send buffer was full.
        Backpressure => "backpressure",
        /// The host woke the prober too late, when the slot had passed.
        Overrun => "overrun",
        /// There was no connection, for want of a file descriptor or memory.
        Resources => "resources",
    }
}

impl UnsentReason {
    /// Whether the prober's own host missed the slot: it is no failure of the network or the
    /// peer.
    pub const fn is_own_host(self) -> bool {
        matches!(self, Self::Overrun | Self::Resources)
    }
}

reasons! {
    /// Why an attempt to connect failed.
    ConnectFailure {
        /// Nothing listens there.
        Refused => "refused",
        /// No answer within the timeout.
        Timeout => "timeout",
        /// There is no route to the peer.
        Unreachable => "unreachable",
        /// The name did not resolve.
        Dns => "dns",
        /// Anything else.
        Other => "other",
    }
}

reasons! {
    /// Why a connection ended.
    DisconnectReason {
        /// The peer closed it.
        Eof => "eof",
        /// The peer reset it.
        Reset => "reset",
        /// No reply for longer than the stall limit.
        Stalled => "stalled",
        /// Reading or writing failed otherwise.
        Error => "error",
        /// The prober closed it: on shutdown, because the target was removed or its
        /// address has changed, or after the peer has departed.
        Closed => "closed",
    }
}

reasons! {
    /// The cause of an [`Episode`].
    Cause {
        /// Nothing listens at the peer's address.
        Refused => "refused",
        /// The peer has ended the connection, by a reset or an end of stream.
        Reset => "reset",
        /// Nothing passes; the direction is not known.
        Blackhole => "blackhole",
        /// Nothing passes on the way to the peer.
        BlackholeForward => "blackhole_forward",
        /// Nothing passes on the way back.
        BlackholeReverse => "blackhole_reverse",
        /// Some packets are lost.
        PacketLoss => "packet_loss",
        /// The RTT has risen, and nothing is lost: packets wait in a queue.
        Queueing => "queueing",
        /// The peer's host acknowledges, and its process does not answer.
        PeerStalled => "peer_stalled",
        /// The prober's own host: it was paused, too busy, or out of resources.
        OwnHost => "own_host",
        /// The name did not resolve.
        Dns => "dns",
        /// Large packets are dropped on the way, and small ones pass.
        Mtu => "mtu",
        /// One of several paths fails: some flows of the target are lost, others pass.
        Path => "path",
        /// None of the above could be told.
        Unknown => "unknown",
    }
}
