//! What happens in a session, one thing at a time.

use std::{net::SocketAddr, time::Duration};

use tcp_echo_wire::Seq;

/// One thing that happened to a target's session or its connection.
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
    /// The connection is gone.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// A probe was handed to the kernel whole, and is in flight.
    Sent {
        /// Which one.
        seq: Seq,
        /// How long after its slot it was sent.
        lateness: Duration,
    },
    /// A reply came within the timeout.
    Received {
        /// To which probe.
        seq: Seq,
        /// The round-trip time: by the kernel's receive time where there is one
        /// that can be believed, else as the process saw it.
        rtt: Duration,
        /// What the prober's own host added to the round-trip time as the process
        /// saw it; known only where `rtt` is by the kernel's receive time.
        host_delay: Option<Duration>,
    },
    /// A probe's reply did not come within the timeout.
    TimedOut {
        /// Which probe.
        seq: Seq,
    },
    /// A reply came after its timeout was counted.
    Late {
        /// To which probe.
        seq: Seq,
    },
    /// A frame answers nothing in flight and nothing timed out: a duplicate, a
    /// wrong timestamp, garbage.
    Unexpected,
    /// Slots passed without a probe.
    Unsent {
        /// Why.
        reason: UnsentReason,
        /// How many; more than one only after a pause of the host or while
        /// disconnected.
        slots: u64,
    },
    /// The kernel's own view of the connection was read.
    TcpInfo(TcpInfo),
}

/// The kernel's own view of a probing connection (tcp(7), `TCP_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// The smoothed RTT (RFC 6298).
    pub srtt: Duration,
    /// The RTT's variation (RFC 6298).
    pub rttvar: Duration,
    /// The least RTT of the recent past, where the kernel tells.
    pub min_rtt: Option<Duration>,
    /// Segments retransmitted, over all connections of the session.
    pub retransmits: u64,
}

macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one of them, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it in metrics, logs and documents.
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
        /// There was no connection, since the process has no file descriptor or memory
        /// for one.
        Resources => "resources",
    }
}

impl UnsentReason {
    /// Whether the prober's own host missed the slot, rather than the network or the
    /// peer: nothing is known of them at that moment.
    pub const fn is_own_host(self) -> bool {
        matches!(self, Self::Overrun | Self::Resources)
    }
}

reasons! {
    /// Why an attempt to connect failed.
    ConnectFailure {
        /// The peer's host answered that nothing listens there.
        Refused => "refused",
        /// No answer came in time.
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
        /// Nothing came back for longer than the stall limit.
        Stalled => "stalled",
        /// Reading or writing failed otherwise.
        Error => "error",
        /// The prober closed it: on shutdown, or because the target went away or
        /// its address changed.
        Closed => "closed",
    }
}
