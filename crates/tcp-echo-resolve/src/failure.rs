//! Errors of look-ups.

use std::sync::Arc;

use crate::Outcome;

/// Why a look-up failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The name does not exist.
    #[error("there is no such name")]
    NoSuchName,
    /// The name exists, without records of the type.
    #[error("the name has no records of this kind")]
    NoRecords,
    /// The nameservers failed or refused.
    #[error("the nameserver failed")]
    Server,
    /// No answer within the system's timeout, or none yet: a late answer may follow
    /// ([`LookUp::next`](crate::LookUp::next)).
    #[error("the nameserver does not answer")]
    NoAnswer,
    /// Any other error.
    #[error("{0}")]
    Other(Arc<str>),
}

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
    pub(crate) fn other(error: impl ToString) -> Self {
        Self::Other(error.to_string().into())
    }

    /// Whether it is a definite answer of the nameservers: there are no records.
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
