//! Repeated look-ups of many names.
//!
//! A [`Resolver`] looks up the names of thousands of targets repeatedly, even if nameservers
//! never answer for some of them:
//!
//! - **Late answers count.** A [`LookUp`] continues until the system ends it. After five seconds
//!   without an answer the waiters are notified.
//! - **Names that hang don't block others.** Concurrent look-ups are limited ([`Limits`]); a slow
//!   one soon lets others start. Names that have hung back off individually, and get only a part
//!   of the permits.
//! - **An unanswered family doesn't block the other** (RFC 8305, section 3), and only requested
//!   families are looked up ([`IpVersion`]).
//! - **Everything is counted** ([`LookupStats`]), by type and outcome, with the duration.
//!
//! [`Resolver::look_up`] uses the system's resolver, with its list of hosts, search domains and
//! other sources. With the feature `dns`, nameservers are asked for all addresses of a name, and
//! for services.
//!
//! # Example
//! ```
//! use tcp_echo_resolve::{IpVersion, LookupType, Outcome, Resolver};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let resolver = Resolver::default();
//! let mut look_up = resolver.look_up("localhost", IpVersion::V4, true);
//! let addresses = look_up.next().await.unwrap().unwrap();
//! assert!(addresses.iter().all(|address| address.ip().is_loopback()));
//! assert_eq!(resolver.stats().lookups(LookupType::System, Outcome::Ok), 1);
//! # }
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "dns")]
mod dns;
mod failure;
mod hosts;
mod ip_version;
mod look_up;
mod permits;
mod plain;
mod resolver;
mod slow;
mod stats;
mod system;

#[cfg(feature = "dns")]
pub use dns::{Addresses, Services};
pub use failure::Failure;
pub use ip_version::IpVersion;
pub use look_up::LookUp;
pub use permits::Limits;
pub use resolver::{Builder, Resolver};
pub use stats::{LookupStats, LookupTimes, LookupType, Outcome};
