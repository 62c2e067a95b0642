//! Socket options, kernel receive timestamps and `TCP_INFO` for TCP probing.

#![deny(missing_docs, unsafe_code)]

#[cfg(target_os = "linux")]
mod control;
mod dscp;
mod open;
mod stream;
mod tcp_info;
mod timestamp;

pub use socket2::{SockRef, Socket};

pub use crate::dscp::{Dscp, ParseDscpError};
pub use crate::open::{ConnectOptions, DscpError, OpenError, Opened, open};
pub use crate::stream::{KEEPALIVE, abort, configure_stream, set_busy_poll, set_quickack};
pub use crate::tcp_info::{TcpInfo, tcp_info};
pub use crate::timestamp::{Received, enable_receive_timestamps, recv};
