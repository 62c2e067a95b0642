//! The display of a run in progress: a progress bar, a live view, or nothing.

#[cfg(not(feature = "terminal"))]
mod headless;
#[cfg(feature = "terminal")]
mod terminal;

#[cfg(not(feature = "terminal"))]
pub(crate) use headless::{Display, LiveTargets};
#[cfg(feature = "terminal")]
pub(crate) use terminal::{Display, LiveTargets};
