//! Continuous TCP echo probing of many targets, for embedding.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod backoff;
mod clock;
mod connection;
mod dial;
mod driver;
mod observer;
mod once;
mod options;
mod prober;
mod resolve;
mod set;
mod target;
mod timer;
mod worker;

pub use observer::{Observer, Sensor};
pub use options::{Dscp, IpVersion, Options, ParseDscpError, SocketOptions, Timestamps};
pub use prober::{Builder, Handle, Prober};
pub use set::{Changes, DuplicateName, TargetSet};
pub use target::Target;
pub use tcp_echo_address::{Address, AddressError, Host};
pub use tcp_echo_session::{
    ConfigError, ConnectFailure, Counts, DisconnectReason, Event, LossWindow, Seq, Session,
    SessionConfig, TcpInfo, UnsentReason,
};
