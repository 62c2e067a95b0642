//! The service manager that started the program; none without the feature `service`.

#[cfg(not(feature = "service"))]
mod absent;

#[cfg(not(feature = "service"))]
pub(super) use absent::{Sockets, Supervisor};
#[cfg(feature = "service")]
pub(super) use tcp_echo_service::{Sockets, Supervisor};
