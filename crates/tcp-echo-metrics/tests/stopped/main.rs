//! Readers that have stopped reading: of standard error and output, of a terminal, of a
//! service manager's socket. They cost what they would have read, and nothing else.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of tests fails as a test does"
)]

mod manager;
mod outputs;
mod program;
mod terminal;
