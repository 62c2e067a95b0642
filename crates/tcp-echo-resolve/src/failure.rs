//! Why a look-up gives nothing.

use std::sync::Arc;

use crate::Outcome;

/// Why a look-up gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The nameservers say so.
    #[error("there is no such name")]
    NoSuchName,
    /// The name exists, and has nothing of the kind.
    #[error("the name has no records of this kind")]
    NoRecords,
    /// They answered with an error, or refused to be asked.
    #[error("the nameserver failed")]
    Server,
    /// No answer within the system's own patience, or none yet: where more is to come of
    /// the look-up ([`LookUp::next`](crate::LookUp::next)), a late answer still may.
    #[error("the nameserver does not answer")]
    NoAnswer,
    /// Something else.
    #[error("{0}")]
    Other(Arc<str>),
}

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
    pub(crate) fn other(error: impl ToString) -> Self {
        Self::Other(error.to_string().into())
    }

    /// Whether the nameservers know the name and what it has: nothing.
    pub const fn is_definite(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoRecords)
    }

    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::NoSuchName => Outcome::NxDomain,
            Self::NoRecords => Outcome::NoData,
            Self::Server => Outcome::ServFail,
            Self::NoAnswer => Outcome::Timeout,
            Self::Other(_) => Outcome::Error,
        }
    }
}
