//! What goes wrong with services, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::manager::State;

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// It takes privileges that the user doesn't have.
    #[error("services of the system are changed by its administrator only: {0}")]
    Privileges(&'static str),
    /// No manager that this program knows runs the system.
    #[error(
        "no service manager found: {looked_for}\n\
         have what starts programs here run tcp-echo-metrics with -svc=run and its flags"
    )]
    NoManager {
        /// What was looked for.
        looked_for: &'static str,
    },
    /// The manager has no services of users.
    #[error("{manager} has no services of users: leave -svc-user out")]
    NoUserServices {
        /// Its name.
        manager: &'static str,
    },
    /// The user's own manager is that of a session.
    #[error(
        "there is no session of this user (XDG_RUNTIME_DIR is not set)\n\
         log in as the user whose service it is to be, without sudo or su"
    )]
    NoSession,
    /// The manager can't run a service as another account without its password.
    #[error("{manager} needs the password of {account}, which is not for a command line: {advice}")]
    Account {
        /// Its name.
        manager: &'static str,
        /// The account.
        account: String,
        /// What works.
        advice: &'static str,
    },
    /// There is no such service.
    #[error("the service {name} is not installed: install it with -svc=install and its flags")]
    NotInstalled {
        /// Its name.
        name: String,
    },
    /// There is a service of that name that belongs to something else.
    #[error(
        "there is a service {name} that was not installed by -svc=install ({what})\n\
         choose another name with -svc-name, or remove that one by the way it came"
    )]
    Foreign {
        /// Its name.
        name: String,
        /// Where it comes from.
        what: String,
    },
    /// Definitions of services are lines of text.
    #[error("a service can't be given {argument:?}: control characters have no place there")]
    ControlCharacter {
        /// The argument.
        argument: String,
    },
    /// The program's own path is unknown or can't be written down.
    #[error("can't tell where this program is: {0}")]
    Program(String),
    /// The manager refuses, or a file can't be written.
    #[error("can't {action} the service {name}: {reason}{}", advice(.log.as_deref()))]
    Failed {
        /// `install`, `start` …
        action: &'static str,
        /// Its name.
        name: String,
        /// What the manager said.
        reason: String,
        /// The command that shows the service's log, where that helps.
        log: Option<String>,
    },
    /// A file of the service can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("can't write to standard output: {0}")]
    Output(#[from] io::Error),
    /// No failure: the answer to `-svc=status` where the service doesn't run.
    #[error("the service doesn't run")]
    Status(State),
}

fn advice(log: Option<&str>) -> String {
    log.map(|log| format!("\nwhat it said itself: {log}"))
        .unwrap_or_default()
}
