//! Usage errors: one line that names the flag, the value and what is accepted.

use tcp_echo_flags::FlagError;

/// The command line or the environment is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A flag is wrong by itself.
    #[error(transparent)]
    Flag(FlagError),
    /// An argument is no flag.
    #[error("unexpected argument {0:?}: use a flag, as in -mode=client, or a host")]
    Unexpected(String),
    /// An argument is a host or none, but `-targets` is given: a shell expands a pattern.
    #[error("unexpected argument {0:?}: quote the pattern of -targets, or repeat the flag")]
    UnexpectedFile(String),
    /// An argument is a host, but the mode is not to probe alone.
    #[error("unexpected argument {host:?}: {mode} is not client, and a host is probed like ping")]
    HostAndMode {
        /// The host as given.
        host: String,
        /// The flag, as `-mode`, or the environment variable.
        mode: String,
    },
    /// A flag of other versions of the original.
    #[error("{flag} is a flag of the original's versions over UDP: {advice}")]
    OfOriginal {
        /// The flag, as `-payload`.
        flag: String,
        /// Why it is not needed, and what to do.
        advice: &'static str,
    },
    /// Two targets with one name would share their series.
    #[error("two targets of {origin} have the name {name:?}: use name=host:port")]
    DuplicateTarget {
        /// The name.
        name: String,
        /// The flag, as `-target`, or the environment variable.
        origin: String,
    },
    /// A flag of a run in the foreground contradicts another flag.
    #[error("{flag} is for probing in the foreground: {reason}")]
    NotWatched {
        /// The flag, as `-count`, or the environment variable.
        flag: String,
        /// The other flag.
        reason: String,
    },
}

impl From<FlagError> for UsageError {
    fn from(error: FlagError) -> Self {
        match error {
            FlagError::Unexpected(argument) => Self::Unexpected(argument),
            error => Self::Flag(error),
        }
    }
}
