//! Continuous TCP echo probing of many targets, for embedding.
//!
//! A [`Prober`] keeps one TCP connection to each [`Target`] and sends a 16-byte probe
//! at every slot of an absolute schedule. Whatever becomes of a probe, of a slot
//! without one, or of a connection is an [`Event`], told to the [`Observer`] that the
//! prober was given. Round-trip times are the network's where the operating system
//! stamps what arrives (Linux), and the process's elsewhere.
//!
//! - [`Target`] and [`TargetSet`] say what is probed and how; [`SessionConfig`] holds
//!   interval, timeout, loss window and stall limit.
//! - [`Options`] say how all targets are reached: source, interface, DSCP, address
//!   family, look-ups, reconnects, timestamps, and how many sockets there may be.
//! - [`Observer`] and [`Sensor`] listen. An event comes with the target's [`Session`],
//!   which knows counts, probes in flight, loss window and jitter.
//! - [`Handle`] replaces the targets of a running prober, stops it, and reports when it
//!   has ended by itself. Clones control the same prober.
//! - [`OnDemand`] probes targets for as long as somebody asks for them.
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
//! [`start`](Builder::start) probes on threads of its own, whatever else the program
//! does, and is the way to the most truthful figures. [`run`](Builder::run) probes
//! inside the tokio runtime it is called in, where slots are as late as the other
//! tasks make them; the events say how late.
//!
//! # What interval a system can hold
//!
//! Linux wakes a thread to the microsecond (`timerfd`), so that intervals down to
//! 100 µs are held on an idle machine. On macOS and Windows a thread sleeps in the
//! system's own precision, and intervals below 1 ms, or on Windows below a few
//! milliseconds, show lateness of their own order. A slot that could not be sent
//! within its interval (at least 1 ms) is counted as overrun, never made up for.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod active_targets;
mod backoff;
mod client_quotas;
mod clock;
mod commands;
mod connection;
mod dial;
mod driver;
mod error;
mod handle;
mod link_local;
mod names;
mod observer;
mod on_demand;
mod options;
mod prober;
mod set;
mod sockets;
mod target;
mod timer;
mod worker;

pub use error::{ApplyError, ProberError, StopError};
pub use handle::Handle;
pub use observer::{Observer, Sensor};
pub use on_demand::{AskError, OnDemand, OnDemandLimits};
pub use options::{Dscp, Options, ParseDscpError, SocketOptions, Timestamps};
pub use prober::{Builder, Prober};
pub use set::{Changes, DuplicateName, TargetSet};
pub use sockets::SocketStats;
pub use target::Target;
pub use tcp_echo_net::{
    Address, AddressError, Host, HostName, HostNameError, LinkLocal, Networks, NetworksError,
};
pub use tcp_echo_resolve::{IpVersion, Resolver};
pub use tcp_echo_session::{
    ConfigError, ConnectFailure, Counts, DisconnectReason, Event, LossWindow, Seq, Session,
    SessionConfig, TcpInfo, UnsentReason,
};
