//! Errors of usage: one line that names the flag, the value and what is accepted.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is wrong with the command line or the environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A value that its flag can't take.
    #[error("invalid value {value:?} for {origin}: {reason}")]
    InvalidValue {
        /// The value.
        value: String,
        /// The flag, as `-name`, or the environment variable.
        origin: String,
        /// Why not, or what is accepted.
        reason: String,
    },
    /// A flag at the end of the command line, or with nothing after its `=`.
    #[error("{origin} needs a value{}", accepted.as_ref().map(|values| format!(": {values}")).unwrap_or_default())]
    MissingValue {
        /// The flag, as `-name`.
        origin: String,
        /// What is accepted, where that is a short list.
        accepted: Option<String>,
    },
    /// A flag that takes no value.
    #[error("{0} takes no value")]
    NoValue(String),
    /// A flag that doesn't exist.
    #[error("unknown flag {:?}{}", flag, nearest.as_ref().map(|name| format!(": did you mean {name}?")).unwrap_or_default())]
    UnknownFlag {
        /// What was given, as `-name`.
        flag: String,
        /// A flag of nearly that name, as `-name`.
        nearest: Option<String>,
    },
    /// An argument that is no flag.
    #[error("unexpected argument {0:?}: everything is a flag, as in -mode=client")]
    Unexpected(String),
    /// An argument that is no flag, beside files of targets: a shell makes several of a
    /// pattern.
    #[error("unexpected argument {0:?}: quote the pattern of -targets, or repeat the flag")]
    UnexpectedFile(String),
    /// An argument or a variable that is not UTF-8.
    #[error("{origin} is not valid UTF-8: {value:?}")]
    NotUtf8 {
        /// Where it stands.
        origin: String,
        /// What can be read of it.
        value: String,
    },
    /// Two targets of one name, which would share their series.
    #[error("two targets of {origin} are called {name:?}: give each its own, as in name=host:port")]
    DuplicateTarget {
        /// The name.
        name: String,
        /// The flag, as `-target`, or the environment variable.
        origin: String,
    },
    /// A flag for runs that somebody watches, where nobody does or nothing is probed.
    #[error("{flag} is for probing in the foreground: {reason}")]
    NotWatched {
        /// The flag, as `-count`, or the environment variable.
        flag: String,
        /// What is asked for besides.
        reason: String,
    },
    /// What the parser reports beyond the above.
    #[error("{0}")]
    Other(String),
}

impl UsageError {
    /// Says in our words what clap found. `origin` gives the name under which the
    /// user knows a flag: as a flag or as an environment variable.
    pub(super) fn from_clap(error: &clap::Error, origin: impl Fn(&str) -> String) -> Self {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        let accepted = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => Some(alternatives(values)),
            _ => None,
        };
        let Some(arg) = text(ContextKind::InvalidArg) else {
            return Self::Other(first_line(error));
        };
        // clap names a flag as it is written in the help: `--mode <MODE>`, `--x[=<Y>]`.
        let name = arg
            .trim_start_matches('-')
            .split([' ', '[', '='])
            .next()
            .unwrap_or_default();
        match error.kind() {
            ErrorKind::InvalidValue if value.is_empty() => Self::MissingValue {
                origin: origin(name),
                accepted,
            },
            ErrorKind::InvalidValue => Self::InvalidValue {
                value,
                origin: origin(name),
                reason: format!("use {}", accepted.unwrap_or_default()),
            },
            ErrorKind::ValueValidation => Self::InvalidValue {
                value,
                origin: origin(name),
                reason: error.source().map(ToString::to_string).unwrap_or_default(),
            },
            ErrorKind::TooManyValues => Self::NoValue(origin(name)),
            ErrorKind::UnknownArgument if arg.starts_with('-') && !name.is_empty() => {
                Self::UnknownFlag {
                    flag: arg.replacen("--", "-", 1),
                    nearest: text(ContextKind::SuggestedArg)
                        .map(|name| name.replacen("--", "-", 1)),
                }
            }
            ErrorKind::UnknownArgument => Self::Unexpected(arg),
            _ => Self::Other(first_line(error)),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(values: &[String]) -> String {
    match values {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// clap's own message without its prefix and without what follows it.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
