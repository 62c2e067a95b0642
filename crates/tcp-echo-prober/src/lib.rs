//! Continuous TCP echo probing of many targets, for embedding.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod address;
mod observer;
mod target;

pub use address::{Address, AddressError, Host};
pub use observer::{Observer, Sensor};
pub use target::Target;
pub use tcp_echo_session::{
    ConfigError, ConnectFailure, Counts, DisconnectReason, Event, LossWindow, Seq, Session,
    SessionConfig, TcpInfo, UnsentReason,
};
