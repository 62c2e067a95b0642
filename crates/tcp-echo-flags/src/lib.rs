//! Go's spelling of flags for clap.
//!
//! Programs in Go write long flags with one dash: `-name value` or `-name=value`, as well as
//! `--name value` and `--name=value`. clap knows the latter two.
//!
//! - [`rewrite`] makes the last spelling of all of them, for clap to parse.
//! - [`completions`] has shells complete both spellings.
//! - [`Variables`] reads flags from the environment.
//! - [`FlagError`] explains in one line what is wrong with a flag.
//! - [`ManPage`] is the manual page.
//!
//! ```
//! use clap::{Arg, Command};
//! use tcp_echo_flags::{Shell, completions, rewrite};
//!
//! let command = Command::new("echo")
//!     .no_binary_name(true)
//!     .arg(Arg::new("mode").long("mode").value_parser(["server", "client"]));
//! let args = rewrite(&command, ["-mode", "client"].map(str::to_owned));
//! assert_eq!(args, ["--mode=client"]);
//! let matches = command.clone().try_get_matches_from(args)?;
//! assert_eq!(matches.get_one::<String>("mode").unwrap(), "client");
//!
//! let script = completions(Shell::Bash, &command);
//! assert!(script.contains("server client"));
//! # Ok::<(), clap::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod completions;
mod error;
mod features;
mod files;
mod man;
mod rewrite;
mod short_help;
mod variables;

pub use completions::{Shell, completions, value_name};
pub use error::FlagError;
pub use features::{Feature, refuse_missing};
pub use files::{file_flags, file_of};
pub use man::ManPage;
pub use rewrite::{is_given, join, names, rewrite};
pub use short_help::short_help;
pub use variables::{Variables, utf8, value};
