//! Looking names up for many probes.
//!
//! A [`Resolver`] looks names up again and again, for thousands of targets, some of whose
//! names may never be answered for:
//!
//! - **Nothing is thrown away.** A [`LookUp`] goes on until the system lets go of it, and a
//!   late answer is an answer. Who waits is told after five seconds that there is none yet.
//! - **What hangs hinders nobody.** Look-ups under way are bounded ([`Limits`]); one that takes
//!   long soon lets others begin, and names that have hung back off each on their own, in a
//!   share of the places.
//! - **One family that is not answered for blocks nothing** (RFC 8305, section 3), and a family
//!   that is not wanted is not asked for ([`IpVersion`]).
//! - **All is counted** ([`LookupStats`]), by type and outcome, with the time that it took.
//!
//! Names are looked up as the system does it ([`Resolver::look_up`]): with its list of hosts,
//! its search domains, and whatever else it is configured to ask. With the feature `dns`,
//! nameservers can be asked for all addresses of a name and for services.
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
mod places;
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
pub use places::Limits;
pub use resolver::{Builder, Resolver};
pub use stats::{LookupStats, LookupTimes, LookupType, Outcome};
