//! The episodes of targets: outages with a start, an end and a cause.
//!
//! Each flow of a target finds its own ([`tcp_echo_prober::Episode`]). [`Episodes`] is the
//! [`Observer`](tcp_echo_prober::Observer) that joins them:
//!
//! - Of a target with one flow, they are the flow's.
//! - If most flows of a target are in one at the same time, it is one episode of the target, with the
//!   cause that most of them have.
//! - If some are and others pass, it is one episode of one path: its cause is
//!   [`Path`](tcp_echo_prober::Cause::Path), with the port of the first of these flows. Causes that no
//!   path has stay, such as `own_host` and `refused`.
//!
//! The newest 1,000 are kept, and counted by target and cause, each when it has ended. A begin
//! and an end are a line in the log. With a [`StateFile`], episodes survive a restart.
//!
//! A sensor hands over what it sees in nanoseconds, and never waits for a reader or a file.
//!
//! ```
//! use tcp_echo_episodes::Episodes;
//! use tcp_echo_prober::Prober;
//!
//! let episodes = Episodes::default();
//! let prober = Prober::builder().observer(episodes.clone()).start()?;
//! for episode in episodes.newest() {
//!     println!("{} since {:?}: {}", episode.target, episode.began, episode.cause);
//! }
//! # prober.stop().unwrap();
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod announce;
mod join;
mod record;
mod registry;
mod rfc3339;
mod sensor;
mod state;
mod task;
mod totals;

pub use record::{Json, Record};
pub use registry::Episodes;
pub use rfc3339::{format as format_rfc3339, parse as parse_rfc3339};
pub use sensor::EpisodeSensor;
pub use state::{Loaded, StateFile};
pub use totals::{LENGTHS, Totals};
