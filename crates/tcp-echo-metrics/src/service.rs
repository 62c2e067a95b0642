//! The program as a service of the system: `-svc`.
//!
//! [`act`] carries out an action through the system's own manager: systemd, `OpenRC`,
//! launchd, FreeBSD's rc.d or Windows' service control manager. [`Supervisor`] and
//! [`Sockets`] are for the other side: the program that such a manager has started.
//!
//! Installing twice is updating: the definition is replaced by what the second
//! command line says, and a service that runs is restarted with it.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{Config, ServiceAction};

mod actions;
mod error;
mod manager;
#[cfg(target_os = "linux")]
mod notify;
mod sockets;
mod spec;
mod supervisor;

#[cfg(unix)]
mod files;
#[cfg(unix)]
mod native;
#[cfg(unix)]
mod render;
#[cfg(windows)]
mod scm;
#[cfg(windows)]
mod windows;

pub use error::ServiceError;
#[cfg(unix)]
pub use render::{Definition, packaged_unit};
#[cfg(windows)]
pub use scm::{Run, run_as_service};
pub use sockets::{Sockets, SocketsError};
pub use spec::Spec;
pub use supervisor::Supervisor;

/// The exit status of a status that is "stopped", as the Linux Standard Base has it.
const STOPPED: u8 = 3;
/// The exit status of a status that is "not installed" ("unknown" there).
const NOT_INSTALLED: u8 = 4;

/// Does what `-svc` asks for, but for `run`, and says on standard output what it did.
///
/// The exit status is 0 when it is done or was so already, and 1 with a message on
/// standard error when it can't be. `status` gives 0 for a service that runs, 3 for
/// one that is stopped and 4 for one that is not installed.
pub fn act(config: &Config, action: ServiceAction) -> ExitCode {
    let mut out = io::stdout().lock();
    let done = manager::native(&config.service_options)
        .and_then(|manager| actions::act(&*manager, config, action, &mut out));
    let error = match done {
        Ok(actions::Done) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    match error {
        ServiceError::Status(manager::State::NotInstalled) => ExitCode::from(NOT_INSTALLED),
        ServiceError::Status(_) => ExitCode::from(STOPPED),
        error => {
            // With standard error closed the status has to speak alone.
            let _ = writeln!(io::stderr(), "tcp-echo-metrics: {error}");
            ExitCode::FAILURE
        }
    }
}
