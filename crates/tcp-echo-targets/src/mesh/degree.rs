//! How many peers each member of a mesh probes.

use std::{fmt, num::NonZeroUsize, str::FromStr};

/// Up to so many peers each member probes all of them, unless it is told otherwise.
const MAX_FULL: usize = 64;

/// Of more peers it probes so many.
const DEGREE: usize = 32;

/// How many peers each member of a mesh probes.
///
/// ```
/// use tcp_echo_targets::MeshDegree;
///
/// assert_eq!("auto".parse(), Ok(MeshDegree::Auto));
/// assert_eq!("16".parse::<MeshDegree>().unwrap().to_string(), "16");
/// let error = "0".parse::<MeshDegree>().unwrap_err();
/// assert_eq!(error.to_string(), "use auto or a whole number, 1 or more");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MeshDegree {
    /// All up to 64 peers, 32 of more.
    #[default]
    Auto,
    /// So many, or all if there are fewer.
    Peers(NonZeroUsize),
}

/// A text that is no [`MeshDegree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use auto or a whole number, 1 or more")]
pub struct MeshDegreeError;

impl MeshDegree {
    /// How many of `others` are probed.
    pub(super) fn of(self, others: usize) -> usize {
        match self {
            Self::Auto if others <= MAX_FULL => others,
            Self::Auto => DEGREE,
            Self::Peers(degree) => degree.get().min(others),
        }
    }
}

impl fmt::Display for MeshDegree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Peers(degree) => degree.fmt(f),
        }
    }
}

impl FromStr for MeshDegree {
    type Err = MeshDegreeError;

    fn from_str(text: &str) -> Result<Self, MeshDegreeError> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Peers).map_err(|_| MeshDegreeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_up_to_64_and_32_of_more() {
        for (others, degree) in [(0, 0), (1, 1), (64, 64), (65, 32), (1000, 32)] {
            assert_eq!(MeshDegree::Auto.of(others), degree);
        }
        let four: MeshDegree = "4".parse().unwrap();
        for (others, degree) in [(0, 0), (3, 3), (4, 4), (1000, 4)] {
            assert_eq!(four.of(others), degree);
        }
    }
}
