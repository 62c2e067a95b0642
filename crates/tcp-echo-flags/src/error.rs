//! Errors of flags: one line that names the flag, the value and what is accepted.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A flag on the command line or in the environment is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// A flag does not accept the value.
    #[error("invalid value {value:?} for {origin}: {reason}")]
    InvalidValue {
        /// The value.
        value: String,
        /// The flag, as `-name`, or the environment variable.
        origin: String,
        /// The reason, or what is accepted.
        reason: String,
    },
    /// An argument that is no flag is wrong.
    #[error("invalid argument {value:?}: {reason}")]
    InvalidArgument {
        /// The argument.
        value: String,
        /// The reason, or what is accepted.
        reason: String,
    },
    /// A flag has no value.
    #[error("{origin} needs a value{}", accepted.as_ref().map(|values| format!(": {values}")).unwrap_or_default())]
    MissingValue {
        /// The flag, as `-name`.
        origin: String,
        /// What is accepted, if that is a list.
        accepted: Option<String>,
    },
    /// A flag accepts no value.
    #[error("{0} takes no value")]
    NoValue(String),
    /// A flag does not exist.
    #[error("unknown flag {:?}{}", flag, nearest.as_ref().map(|name| format!(": did you mean {name}?")).unwrap_or_default())]
    UnknownFlag {
        /// The unknown flag, as `-name`.
        flag: String,
        /// A flag with a similar name, as `-name`.
        nearest: Option<String>,
    },
    /// An argument is no flag.
    #[error("unexpected argument {0:?}")]
    Unexpected(String),
    /// An argument or a variable is not UTF-8.
    #[error("{origin} is not valid UTF-8: {value:?}")]
    NotUtf8 {
        /// The argument or the variable.
        origin: String,
        /// The value, as far as it is UTF-8.
        value: String,
    },
    /// The build lacks the feature of a flag.
    #[error("{origin} needs a build with the feature {feature}")]
    MissingFeature {
        /// The flag, as `-svc`, or the environment variable.
        origin: String,
        /// The feature of cargo.
        feature: &'static str,
    },
    /// Any other error of the parser.
    #[error("{0}")]
    Other(String),
}

impl FlagError {
    /// Converts an error of clap. `origin` returns the name of a flag as the user gave it: the
    /// flag or the environment variable.
    pub fn from_clap(error: &clap::Error, origin: impl Fn(&str) -> String) -> Self {
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
        // clap names a flag as in the help: `--mode <MODE>`, `--x[=<Y>]`.
        let name = arg
            .trim_start_matches('-')
            .split([' ', '[', '='])
            .next()
            .unwrap_or_default();
        let reason = || error.source().map(ToString::to_string).unwrap_or_default();
        match error.kind() {
            ErrorKind::ValueValidation if !arg.starts_with('-') => Self::InvalidArgument {
                value,
                reason: reason(),
            },
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
                reason: reason(),
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
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The first line of clap's message, without its prefix.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
