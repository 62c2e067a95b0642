//! The program as a service of the system: under systemd, `OpenRC`, launchd, FreeBSD's rc.d
//! or Windows' service control manager.
//!
//! # To install and control a service
//!
//! [`act`] carries out an [`Action`] through the manager that runs the system. What it
//! installs is a [`Spec`]: the program, its [`CommandLine`], and [`ServiceOptions`]. To install
//! it again is to update it: the definition is replaced, and a service that runs is restarted.
//! [`Definition`] renders a `Spec` as the text that a manager reads.
//!
//! # To run as a service
//!
//! [`Supervisor`] tells the manager when the program is ready, alive and stopping.
//! [`Sockets`] are listeners that the manager has opened for the program.
//!
#![cfg_attr(unix, doc = "```")]
#![cfg_attr(not(unix), doc = "```ignore")]
//! use std::path::Path;
//! use tcp_echo_service::{CommandLine, Definition, ServiceOptions, Spec};
//!
//! let options = ServiceOptions::new("echo-eu");
//! let command_line = CommandLine::new()
//!     .arg("--mode=both")
//!     .file_arg("targets", "/etc/echo/targets.yml")
//!     .listens_on(7);
//! let spec = Spec::new(&options, &command_line, Path::new("/usr/bin/tcp-echo-metrics"))?;
//! let unit = Definition::Systemd.render(&spec)?;
//! assert!(unit.contains("--targets=/etc/echo/targets.yml"));
//! // Ports below 1024 need it.
//! assert!(unit.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"));
//! # Ok::<(), tcp_echo_service::ServiceError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod act;
mod error;
mod manager;
mod options;
mod sockets;
mod spec;
mod state;
mod supervisor;
mod watchdog;

#[cfg(unix)]
mod definition;
#[cfg(unix)]
mod files;
#[cfg(unix)]
mod native;
#[cfg(target_os = "linux")]
mod notify;

#[cfg(windows)]
mod control;
#[cfg(windows)]
mod scm;
#[cfg(windows)]
mod windows;

pub use act::{Action, act};
#[cfg(unix)]
pub use definition::{Definition, packaged_unit};
pub use error::ServiceError;
pub use options::{InvalidName, ServiceOptions, parse_account, parse_name};
#[cfg(windows)]
pub use scm::{Run, run_as_service};
pub use sockets::{Sockets, SocketsError};
pub use spec::{CommandLine, Spec};
pub use state::State;
pub use supervisor::Supervisor;
pub use watchdog::Watchdog;
