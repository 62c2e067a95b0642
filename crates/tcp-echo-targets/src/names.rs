//! The targets of `dns+` and `srv+` names; none without the feature `discovery`.

#[cfg(not(feature = "discovery"))]
mod absent;
#[cfg(feature = "discovery")]
mod built;

#[cfg(not(feature = "discovery"))]
pub(crate) use absent::Names;
#[cfg(feature = "discovery")]
pub(crate) use built::Names;
