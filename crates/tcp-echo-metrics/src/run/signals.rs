//! Signals to end the program, and to reload its files.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{Reloads, listen};
#[cfg(windows)]
pub(super) use windows::{Reloads, listen};
