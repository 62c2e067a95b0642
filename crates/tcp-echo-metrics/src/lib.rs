//! The parts of the `tcp-echo-metrics` binary that are worth reaching from a test
//! or a fuzzer: its command line, its logging, its service,
//! its report and its live view.
//!
//! This library is not an interface to build on. It changes with the binary; an
//! embedder takes `tcp-echo-prober`, `tcp-echo-server` and `tcp-echo-exporter`.
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
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod cli;
pub mod live;
pub mod logging;
pub mod report;
pub mod service;
pub mod version;
