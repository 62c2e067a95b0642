//! The command line of `tcp-echo-metrics`, as a library for tests and fuzzers.
//!
//! It is not an interface to build on and changes with the binary. To embed, take
//! `tcp-echo-prober`, `tcp-echo-server` and `tcp-echo-exporter`.
//!
//! ```
//! use tcp_echo_metrics::cli;
//!
//! // Go's spelling and the usual one are the same.
//! let go = cli::parse(["-mode", "both", "-interval=10ms"], |_| None)?;
//! let usual = cli::parse(["--mode=both", "--interval", "10ms"], |_| None)?;
//! assert_eq!(go, usual);
//! # Ok::<(), cli::Stop>(())
//! ```
//!
//! # Features
//!
//! All are on by default: `discovery` (`dns+` and `srv+` names), `page` (the status page),
//! `service`, `terminal` (the live view and the progress bar) and `tls`.
//! The flags of a feature that is not built in are absent from the help, and refused with
//! the name of the feature.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod version;
