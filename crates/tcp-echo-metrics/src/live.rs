//! A live view of all targets in the terminal.
//!
//! - [`LiveTargets`] is the observer: what is shown of each target, in a cell of its
//!   own. Its sensor never waits for the view: where the view is just reading the
//!   cell, the sensor keeps what happened for its next event.
//! - [`Live`] is the view: a thread that reads all cells a few times a second, draws
//!   what has changed, and takes keys.
//!
//! The terminal is given back as it was however the view ends: by a key, by a signal,
//! by an error, by a panic of any thread. Log lines are shown in the view as long as
//! it lasts.

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
