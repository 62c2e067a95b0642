//! What tells the program to end, or to read its files again.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{Reloads, listen};
#[cfg(windows)]
pub(super) use windows::{Reloads, listen};
