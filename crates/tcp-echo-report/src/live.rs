//! A live view of all targets in the terminal.
//!
//! - [`LiveTargets`] is the observer, with a cell for each target. A sensor never waits for
//!   the view: while the view reads the cell, the sensor keeps its events for later.
//! - [`Live`] is the view: a thread that reads all cells a few times a second, draws the
//!   changes, and reads keys.
//!
//! The terminal is restored however the view ends: by a key, a signal, an error, or a panic of
//! any thread. Until then, log lines appear in the view.

mod chart;
mod columns;
mod draw;
mod input;
mod keys;
mod log;
mod screen;
mod targets;
#[cfg(test)]
mod tests;
mod thread;
mod view;

pub use targets::{LiveSensor, LiveTargets};
pub use thread::Live;
