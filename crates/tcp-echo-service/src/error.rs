//! Errors of actions, with advice.

use std::io;
use std::path::PathBuf;

use crate::state::State;

/// An action failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The user lacks a privilege.
    #[error("only an administrator can change services of the system: {0}")]
    Privileges(&'static str),
    /// None of the known managers runs the system.
    #[error(
        "no service manager found: {looked_for}\n\
         to start it by other means, run tcp-echo-metrics with -svc=run and its flags"
    )]
    NoManager {
        /// What was looked for.
        looked_for: &'static str,
    },
    /// The manager has no services of users.
    #[error("{manager} has no services of users: omit -svc-user")]
    NoUserServices {
        /// Its name.
        manager: &'static str,
    },
    /// The manager of a user needs a session.
    #[error(
        "this user has no session (XDG_RUNTIME_DIR is not set)\n\
         log in as the user who owns the service, without sudo or su"
    )]
    NoSession,
    /// The manager can't run a service as another account without its password.
    #[error("{manager} needs the password of {account}, which no flag accepts: {advice}")]
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
    /// Another program owns the service of that name.
    #[error(
        "the service {name} was not installed by -svc=install ({what})\n\
         choose another name with -svc-name, or remove that service with the tool that installed it"
    )]
    Foreign {
        /// Its name.
        name: String,
        /// Where it comes from.
        what: String,
    },
    /// Definitions are lines of text.
    #[error("the argument {argument:?} has control characters, which a service can't have")]
    ControlCharacter {
        /// The argument.
        argument: String,
    },
    /// The path of the program is unknown or not UTF-8.
    #[error("cannot find this program: {0}")]
    Program(String),
    /// The manager refused, or a file can't be written.
    #[error("cannot {action} the service {name}: {reason}{}", advice(.log.as_deref()))]
    Failed {
        /// `install`, `start` …
        action: &'static str,
        /// Its name.
        name: String,
        /// What the manager said.
        reason: String,
        /// The command that shows the log of the service, where that helps.
        log: Option<String>,
    },
    /// A file of the service can't be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// No failure: the state of a service that does not run.
    #[error("the service does not run")]
    Status(State),
}

fn advice(log: Option<&str>) -> String {
    log.map(|log| format!("\nto read its log: {log}"))
        .unwrap_or_default()
}
