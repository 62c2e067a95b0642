//! The log of a program: lines on standard error, as text or as JSON.
//!
//! - [`init`] sends what `tracing` records to standard error, [`init_to_file`] to a file.
//!   Lines go through a bounded queue to a thread that writes them, so a reader that stops
//!   reading, such as a terminal after Ctrl-S, blocks nobody who logs. Lines that find the
//!   queue full are dropped and counted ([`dropped_lines`]); a line in their place says how many.
//! - [`redirect`] hands the lines to a live view or a progress bar while it owns the terminal.
//! - [`Escaped`] and [`escape_json`] escape control characters, for other output that shows
//!   text from outside.
//!
//! A line may carry text from outside, such as the name of a target or the message of an error.
//! None of it can break a line in two, forge a field, or reach a terminal as a control character.
//!
//! ```
//! use std::fmt::Write as _;
//! use tcp_echo_log::{Escaped, LogConfig};
//!
//! let config = LogConfig {
//!     format: "json".parse()?,
//!     level: "debug".parse()?,
//! };
//! tcp_echo_log::init(config)?;
//! tracing::info!(name = "db\u{1b}[2J", "connected");
//! tcp_echo_log::flush();
//! assert_eq!(tcp_echo_log::dropped_lines(), 0);
//!
//! let mut text = String::new();
//! Escaped(&mut text).write_str("db\u{1b}[2J")?;
//! assert_eq!(text, r"db\u{1b}[2J");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
mod escape;
mod fields;
mod output;
mod panics;
mod process;
mod queue;
mod redirect;
mod subscriber;
#[cfg(test)]
mod tests;

pub use config::{LogConfig, LogFormat, LogLevel, UnknownName};
pub use escape::{Escaped, escape_json};
pub use process::{dropped_lines, flush, init, init_to_file, write_line};
pub use redirect::{Redirect, redirect};
