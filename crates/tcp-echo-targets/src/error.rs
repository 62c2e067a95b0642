//! Errors of lists of targets.

use std::{fmt, io, path::Path, sync::Arc};

use tcp_echo_prober::ConfigError;

use crate::{EndpointError, LabelError};

/// Why the targets files can't be used. The message names the file and the place.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: Arc<Path>,
        /// What is wrong with it.
        error: ReadError,
    },
    /// A file can't be parsed.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: Arc<Path>,
        /// What is wrong with it.
        error: Box<ParseError>,
    },
    /// Two targets have the same name and labels.
    #[error(
        "{second}: there is a target {name:?} already, {first}: \
         give one of them another name or other labels"
    )]
    Duplicate {
        /// The name.
        name: Arc<str>,
        /// The first place.
        first: Origin,
        /// The second place.
        second: Origin,
    },
}

/// Where a target was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Given directly, without a file.
    Given,
    /// In a file.
    File(Arc<Path>, Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given without a file"),
            Self::File(path, place) => write!(f, "{}: {place}", path.display()),
        }
    }
}

/// Why a file can't be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] Arc<io::Error>),
    /// A directory, a FIFO, a device.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// It is larger than 10 MB.
    #[error("it is larger than 10 MB")]
    TooLarge,
    /// Its bytes are no text.
    #[error("line {line}: not UTF-8")]
    NotUtf8 {
        /// The line of the first invalid byte, from 1.
        line: usize,
    },
}

impl From<tcp_echo_file::ReadError> for ReadError {
    fn from(error: tcp_echo_file::ReadError) -> Self {
        use tcp_echo_file::ReadError as Error;
        match error {
            Error::NotAFile(kind) => Self::NotAFile(kind),
            Error::TooLarge { .. } => Self::TooLarge,
            other => io::Error::from(other).into(),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Why a text is no list of targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// It is empty. An empty list is written `[]`.
    #[error("it is empty: a list of no targets is written []")]
    Empty,
    /// It is not valid JSON or YAML, or has an unknown key.
    #[error("{position}: {message}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// The place.
        position: Position,
    },
    /// An entry can't be used.
    #[error("{place}: {error}")]
    Entry {
        /// The entry.
        place: Place,
        /// What is wrong with it.
        error: EntryError,
    },
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Position {
    pub(crate) const FIRST: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// An entry of a list, or a target in the list of an entry. Printed numbers start at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The position of the entry, or of a part of it.
    pub position: Position,
    /// The index of the entry, from 0.
    pub entry: usize,
    /// The index in the entry's `targets`, from 0.
    pub target: Option<usize>,
}

impl Place {
    pub(crate) const fn entry(entry: usize, position: Position) -> Self {
        Self {
            position,
            entry,
            target: None,
        }
    }

    pub(crate) const fn target(self, target: usize) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (entry {}",
            self.position,
            self.entry.saturating_add(1)
        )?;
        match self.target {
            Some(target) => write!(f, ", target {})", target.saturating_add(1)),
            None => f.write_str(")"),
        }
    }
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// It has neither `targets` nor `address`.
    #[error("it has neither targets nor address")]
    NoForm,
    /// It has both.
    #[error("it has both targets and address: use one")]
    BothForms,
    /// `name` beside `targets`.
    #[error("name goes with address; what goes with targets is the label target")]
    NameOfList,
    /// `name` and the label `target`.
    #[error("it has both name and the label target: use one")]
    NamedTwice,
    /// An empty name.
    #[error("its name is empty")]
    EmptyName,
    /// An invalid endpoint.
    #[error("{written:?}: {error}")]
    Endpoint {
        /// The text.
        written: String,
        /// What is wrong with it.
        error: EndpointError,
    },
    /// An invalid label.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// An invalid interval or timeout.
    #[error("{}", with_labels(.0))]
    Session(#[from] ConfigError),
}

/// Adds the labels to an error that concerns both durations.
fn with_labels(error: &ConfigError) -> String {
    match error {
        ConfigError::InFlight { .. } => {
            format!("{error}: change __probe_timeout__ or __probe_interval__")
        }
        _ => error.to_string(),
    }
}

impl LoadError {
    pub(crate) fn read(path: &Path, error: ReadError) -> Self {
        let path = path.into();
        Self::Read { path, error }
    }

    pub(crate) fn parse(path: &Path, error: ParseError) -> Self {
        Self::Parse {
            path: path.into(),
            error: Box::new(error),
        }
    }
}
