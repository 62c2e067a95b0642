//! Errors of a web configuration.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a web configuration can't be used. The message names the file, and line and key if known;
/// it never contains secrets.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebConfigError {
    /// A file can't be read: the configuration, or one that it names.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: Arc<io::Error>,
    },
    /// It is not valid YAML.
    #[error("{}: line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong.
        message: String,
    },
    /// A key is unknown, or has a value that is not accepted.
    #[error("{}: line {line}: {key}: {problem}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The key with those above it, as in `tls_server_config.min_version`.
        key: String,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// A file of a certificate or its key has a content that is not accepted.
    #[error("{}: {problem}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// A change needs a restart of the program.
    #[error("{}: {problem}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The system has no random numbers.
    #[error("{}: the system gives no random numbers", path.display())]
    Random {
        /// The file that needs them.
        path: PathBuf,
    },
    /// A password can't be hashed, since the system has no random numbers.
    #[error("the password of the endpoints can't be hashed: the system gives no random numbers")]
    Hash,
}

impl WebConfigError {
    pub(crate) fn read(path: &Path, error: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            error: Arc::new(error),
        }
    }
}
