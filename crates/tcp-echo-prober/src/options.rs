//! How all targets of a prober are reached.

use std::{num::NonZeroUsize, time::Duration};

use tcp_echo_resolve::IpVersion;
pub use tcp_echo_socket::{ConnectOptions as SocketOptions, Dscp, ParseDscpError};

/// How a prober connects, and by which clock it measures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Source address, interface and DSCP of the probing sockets.
    pub socket: SocketOptions,
    /// Which addresses of a name are used.
    pub ip: IpVersion,
    /// By which clock replies are stamped.
    pub timestamps: Timestamps,
    /// How often a name is looked up again while its connection lasts, at least; each
    /// time a little sooner by chance, so that names are spread in time. The connection
    /// moves only when its address is gone from the answer.
    pub dns_refresh: Duration,
    /// The cap of the reconnect delay, which starts at 100 ms and doubles.
    pub reconnect_max: Duration,
    /// How many sockets may be open at once, for attempts to connect as for connections, of
    /// the set as of what was asked for; `None` is as many as the system gives. A target
    /// without one waits until one is free, in the order in which targets came. Until then
    /// its slots are [`UnsentReason::Resources`](crate::UnsentReason::Resources), as they
    /// are where the system refuses a socket. [`SocketStats`](crate::SocketStats) counts
    /// such targets.
    ///
    /// So a process keeps descriptors for what it does besides.
    pub max_sockets: Option<NonZeroUsize>,
}

/// The longest duration that is used, so that no sum of moments comes near the end of the
/// clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Options {
    /// As they are used: with durations of 10 years at most.
    pub(crate) fn bounded(mut self) -> Self {
        self.dns_refresh = self.dns_refresh.min(LONGEST);
        self.reconnect_max = self.reconnect_max.min(LONGEST);
        self
    }
}

impl Default for Options {
    /// Any address, the kernel's stamps where they are to be had, a look-up every
    /// 30 s, a second between attempts at most, as many sockets as the system gives.
    fn default() -> Self {
        Self {
            socket: SocketOptions::default(),
            ip: IpVersion::Auto,
            timestamps: Timestamps::Auto,
            dns_refresh: Duration::from_secs(30),
            reconnect_max: Duration::from_secs(1),
            max_sockets: None,
        }
    }
}

/// By which clock replies are stamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// By the kernel where it stamps, else by the process.
    #[default]
    Auto,
    /// By the kernel; where it does not stamp, the process does, and a warning is
    /// logged.
    Kernel,
    /// By the process alone.
    User,
}
