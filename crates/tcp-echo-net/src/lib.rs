//! Addresses, listeners and limits per client, for servers and clients of TCP.
//!
//! - [`Address`] is a host and a port as they are written: `host:4000`, `192.0.2.1:4000`,
//!   `[2001:db8::1]:4000`, `[fe80::1%eth0]:4000`, or `:4000`, which is every address of
//!   this host to a server and this host to a client. [`AddressError`] explains to the
//!   author of a text why it is no address. Parsing looks nothing up.
//! - [`Networks`] is a list of networks: `10.0.0.0/8,2001:db8::/32`.
//! - [`ClientCounts`] counts what each client holds, by [`client_network`], and
//!   [`ClientQuotas`] leaves something for other clients.
//! - [`RateLimiter`] is a token bucket, and [`LogLimiter`] one for lines of a log.
//! - [`LocalAddresses`] and [`host_name`] tell what belongs to this host.
//! - [`WantedFiles`] shares the limit of open files between two kinds of connections.
//! - `listen` opens listeners for an address (feature `tokio`, which looks names up), and
//!   `adopt` takes listeners into a tokio runtime.
//! - [`AcceptPause`] is the pause after an error of `accept`, for accept loops of any kind.
//!
//! # Features
//!
//! - `tokio`: `listen` and `adopt`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accept;
mod address;
mod client_counts;
mod client_quotas;
mod files;
mod host;
#[cfg(feature = "tokio")]
mod listen;
mod local;
mod log_limiter;
mod networks;
mod rate_limiter;

pub use accept::AcceptPause;
pub use address::{Address, AddressError};
pub use client_counts::ClientCounts;
pub use client_quotas::{ClientQuotas, Eviction, QuotaError};
pub use files::{FileShares, WantedFiles, raise_file_limit};
pub use host::{Host, HostName, HostNameError, LinkLocal};
#[cfg(feature = "tokio")]
pub use listen::{BindError, adopt, listen};
pub use local::{LocalAddresses, host_name};
pub use log_limiter::{LogDecision, LogLimiter};
pub use networks::{Networks, NetworksError, client_network};
pub use rate_limiter::RateLimiter;
