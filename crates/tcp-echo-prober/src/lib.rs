//! Continuous TCP echo probing of many targets, for embedding.
//!
//! A [`Prober`] keeps one TCP connection to each [`Target`] and sends a 16-byte probe at every
//! slot of an absolute schedule. It reports the outcome of every slot, and every change of a
//! connection, as an [`Event`] to an [`Observer`]. On Linux the kernel stamps replies, so
//! round-trip times are those of the network; elsewhere they are those of the process.
//!
//! - A [`TargetSet`] holds the [`Target`]s. [`SessionConfig`] sets interval, timeout, loss
//!   window and stall limit of each.
//! - [`Options`] apply to all targets: source, interface, DSCP, address family, look-ups,
//!   reconnects, timestamps, and the limit of sockets.
//! - [`Observer`] and [`Sensor`] receive events, each with the target's [`Session`], which has
//!   counts, probes in flight, loss window and jitter.
//! - [`Handle`] replaces the targets of a running prober, stops it, and reports when it
//!   has ended by itself. Clones control the same prober.
//! - [`Heartbeats`] detects a prober that hangs, for a watchdog.
//! - [`trace()`] finds the routers on the [`Path`] of a flow.
//! - [`Paths`] knows the flows of each target, their hops, and which links bad flows have in common.
//! - [`OnDemand`] probes targets for as long as clients ask for them.
//!
//! ```
//! use std::{sync::mpsc, time::Duration};
//! use tcp_echo_prober::{
//!     Event, Observer, Prober, Sensor, Session, SessionConfig, Target, TargetSet,
//! };
//!
//! /// Sends every round-trip time down a channel.
//! struct Times(mpsc::Sender<Duration>);
//!
//! impl Observer for Times {
//!     type Sensor = Self;
//!     fn attach(&self, _target: &Target) -> Self {
//!         Self(self.0.clone())
//!     }
//! }
//!
//! impl Sensor for Times {
//!     fn on_event(&mut self, event: &Event, _session: &Session) {
//!         if let Event::Received { rtt, .. } = event {
//!             let _ = self.0.send(*rtt);
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::{io::{Read, Write}, net::TcpListener};
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?.to_string();
//! # std::thread::spawn(move || {
//! #     let (mut peer, _) = listener.accept().unwrap();
//! #     let mut frame = [0; 16];
//! #     while peer.read_exact(&mut frame).is_ok() { peer.write_all(&frame).unwrap(); }
//! # });
//! let session = SessionConfig::new(Duration::from_millis(10), Duration::from_millis(800))?;
//! let target = Target::new(address.parse()?, session).named("that host");
//! let (times, received) = mpsc::channel();
//! let prober = Prober::builder()
//!     .observer(Times(times))
//!     .targets(TargetSet::new([target])?)
//!     .start()?;
//! println!("it took {:?}", received.recv()?);
//! prober.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! [`start`](Builder::start) probes on threads of its own, independent of the rest of the
//! program, and measures most accurately. [`run`](Builder::run) probes inside the current tokio
//! runtime, where other tasks can delay slots; events contain the lateness.
//!
//! # Precision of intervals
//!
//! Linux wakes a thread to the microsecond (`timerfd`), enough for intervals down to 100 µs on
//! an idle machine. On macOS and Windows the precision is that of the system's sleep: intervals
//! below 1 ms, or on Windows below a few milliseconds, show lateness of that order. A slot that
//! could not be sent within its interval (at least 1 ms) counts as overrun and is skipped.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod active_targets;
mod backoff;
mod clock;
mod coalesce;
mod commands;
mod connection;
mod dial;
mod driver;
mod error;
mod handle;
mod heartbeats;
mod link_local;
mod mtu;
mod names;
mod observer;
mod on_demand;
mod options;
mod path;
mod paths;
mod prober;
mod set;
mod sockets;
mod target;
mod task;
mod timer;
mod trace;
mod worker;

pub use coalesce::Coalesce;
pub use error::{ApplyError, ProberError, StopError};
pub use handle::Handle;
pub use heartbeats::{Heartbeat, Heartbeats};
pub use observer::{Observer, Sensor};
pub use on_demand::{AskError, OnDemand, OnDemandLimits};
pub use options::{
    Dscp, Hello, InterfaceError, Options, ParseDscpError, SocketOptions, Timestamps, Trace, Wire,
    parse_interface,
};
pub use path::{Hop, Path};
pub use paths::{FlowStatus, FlowSummary, LinkVotes, Paths};
pub use prober::{Builder, Prober};
pub use set::{Changes, DuplicateName, TargetSet};
pub use sockets::SocketStats;
pub use target::Target;
pub use tcp_echo_net::{
    Address, AddressError, Host, HostName, HostNameError, LinkLocal, Networks, NetworksError,
};
pub use tcp_echo_resolve::{IpVersion, Resolver};
pub use tcp_echo_session::{
    Cause, ConfigError, ConnectFailure, Counts, Direction, DisconnectReason, Episode, Event,
    Excess, Features, Identity, IdentityError, LossWindow, MtuProbe, SegmentCounts, Segments, Seq,
    Session, SessionConfig, TcpInfo, UnsentReason,
};
pub use trace::{TraceEnd, TraceError, TraceLimits, TracePace, Traced, trace};
