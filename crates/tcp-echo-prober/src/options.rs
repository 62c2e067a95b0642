//! Options for all targets of a prober.

use std::{
    num::{NonZeroU16, NonZeroUsize},
    time::Duration,
};

use tcp_echo_resolve::IpVersion;
use tcp_echo_session::Features;
pub use tcp_echo_socket::{
    ConnectOptions as SocketOptions, Dscp, InterfaceError, ParseDscpError, parse_interface,
};

/// How a prober connects, and which clock it measures by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Source address, interface and DSCP of the probing sockets.
    pub socket: SocketOptions,
    /// Which address families of a name are used.
    pub ip: IpVersion,
    /// Which clock stamps replies.
    pub timestamps: Timestamps,
    /// The longest time between two look-ups of a name while its connection lasts; randomly
    /// shortened, so that names are spread in time. The connection moves only when its
    /// address is gone from the answer.
    pub dns_refresh: Duration,
    /// The maximum of the reconnect delay, which starts at 100 ms and doubles.
    pub reconnect_max: Duration,
    /// How many sockets may be open at once, for attempts and connections of all targets;
    /// `None` is no limit. A target without a socket waits for one, first come, first served.
    /// Until then its slots are [`UnsentReason::Resources`](crate::UnsentReason::Resources),
    /// as they are when the system refuses a socket. [`SocketStats`](crate::SocketStats)
    /// counts such targets.
    ///
    /// The limit keeps descriptors free for the rest of the process.
    pub max_sockets: Option<NonZeroUsize>,
    /// Whether connections begin with a hello, by which a peer offers more than an echo.
    pub hello: Hello,
    /// How probes are on the wire.
    pub wire: Wire,
    /// The source port of a target's first flow; the others have the ports after it. Flows that
    /// explore other paths use ports after those. Without one, the first of several flows
    /// has any port from 49152 on.
    /// Either way a flow keeps its port over reconnects, if the target has several flows or
    /// this is set.
    pub source_ports: Option<NonZeroU16>,
    /// When the path to a target is traced.
    pub trace: Trace,
    /// How often to check whether the path to each target passes large packets; `None` is never.
    /// A check takes a connection of its own, and is left out where no socket is free.
    pub mtu_probe: Option<Duration>,
}

/// The longest duration that is used, so that no sum of times overflows the clock.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Options {
    /// What a hello asks for.
    pub(crate) fn features(&self) -> Features {
        if self.wire == Wire::Prefixed {
            // For a server that closes a connection on any other frame.
            return Features::NONE;
        }
        let always = Features::SEGMENTS
            .union(Features::IDENTITY)
            .union(Features::DEPARTURE);
        match (self.hello, self.timestamps) {
            (Hello::Off, _) => Features::NONE,
            // The peer's stamps are of use only next to the kernel's.
            (Hello::Auto, Timestamps::User) => always,
            (Hello::Auto, Timestamps::Auto | Timestamps::Kernel) => always.union(Features::STAMPS),
        }
    }

    /// Clamps durations to 10 years.
    pub(crate) fn bounded(mut self) -> Self {
        self.dns_refresh = self.dns_refresh.min(MAX_DURATION);
        self.reconnect_max = self.reconnect_max.min(MAX_DURATION);
        self.mtu_probe = self.mtu_probe.map(|every| every.min(MAX_DURATION));
        self
    }
}

impl Default for Options {
    /// Any address, the kernel's stamps where available, a look-up every 30 s, at most a
    /// second between attempts, no limit of sockets, no checks of large packets.
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            ip: IpVersion::Auto,
            timestamps: Timestamps::Auto,
            dns_refresh: Duration::from_secs(30),
            reconnect_max: Duration::from_secs(1),
            max_sockets: None,
            hello: Hello::Auto,
            wire: Wire::Plain,
            source_ports: None,
            trace: Trace::OnLoss,
            mtu_probe: None,
        }
    }
}

/// Whether connections begin with a hello.
///
/// A peer that knows it tells its own packet loss and when it had each probe, so that loss and delay
/// are known by direction. One that only echoes is not affected. One that
/// closes such connections is met without it after two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hello {
    /// They do.
    #[default]
    Auto,
    /// They don't: every frame is a probe.
    Off,
}

/// How probes are on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// 16 bytes: sequence number and send time.
    #[default]
    Plain,
    /// The same after the 8 bytes `TCPPING` and zero, as servers of later versions of the original
    /// program demand. There is no hello.
    Prefixed,
}

/// Which clock stamps replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// The kernel's where available, else the process's.
    #[default]
    Auto,
    /// The kernel's; if not available, the process's, with a warning in the log.
    Kernel,
    /// The process's.
    User,
}

/// When the path to a target is traced: by handshakes with a low TTL from the flow's own port, so
/// that they take the way of its probes. At most two traces a second begin, in all.
///
/// Only on Linux; elsewhere no path is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Never.
    Off,
    /// When a connection stalls or can't be made, and when a flow loses more than others of its target.
    #[default]
    OnLoss,
    /// Also before a connection is made.
    Always,
}
