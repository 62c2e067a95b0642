//! Errors that end the program.

use std::{error::Error as _, io};

use tcp_echo_server::BindError;
#[cfg(feature = "service")]
use tcp_echo_service::SocketsError;
use tcp_echo_targets::LoadError;
#[cfg(feature = "tls")]
use tcp_echo_web::WebConfigError;
use tokio::task::JoinError;

/// An error that ends the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// An address can't be listened on.
    #[error("{}", with_source(.0))]
    Bind(#[from] BindError),
    /// The system can't create a thread, timer or event queue.
    #[error("cannot start the {part}: {error}")]
    Start {
        part: &'static str,
        error: io::Error,
    },
    /// The targets can't be loaded.
    #[error("{0}")]
    Targets(#[from] LoadError),
    /// The web configuration is invalid.
    #[cfg(feature = "tls")]
    #[error("{0}")]
    Web(#[from] WebConfigError),
    /// A part ended without a reason to.
    #[error("the {part} ended unexpectedly: {reason}")]
    Ended { part: &'static str, reason: String },
    /// The flags can't be used here.
    #[error("{0}")]
    Usage(String),
    /// The sockets passed by a service manager can't be used.
    #[cfg(feature = "service")]
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The report can't be printed.
    #[error("cannot print the report: {0}")]
    Report(io::Error),
}

/// What never fails.
#[cfg(not(all(feature = "service", feature = "tls")))]
impl From<std::convert::Infallible> for RunError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl RunError {
    /// A task ended unexpectedly.
    pub(super) fn of_task<T>(part: &'static str, ended: Result<T, JoinError>) -> Self {
        let reason = match ended {
            Ok(_) => "its task returned".to_owned(),
            Err(error) => error.to_string(),
        };
        Self::Ended { part, reason }
    }
}

fn with_source(error: &BindError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
