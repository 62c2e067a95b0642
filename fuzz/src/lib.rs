//! The fuzz targets: each is a function that panics on a violation.
//!
//! `fuzz_targets` has a program for each. `tests/corpus.rs` runs them on the inputs in `corpus` and
//! `found`, without a fuzzer.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "fuzz targets fail like tests"
)]

use std::{env, fs, process::ExitCode};

pub mod address;
pub mod decoder;
pub mod durations;
mod endpoints;
pub mod exposition;
pub mod flags;
pub mod http;
pub mod loss_window;
pub mod service;
pub mod session;
pub mod targets_file;
mod text;
pub mod web_config;

/// The name of a target, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("address", address::run),
    ("decoder", decoder::run),
    ("durations", durations::run),
    ("exposition", exposition::run),
    ("flags", flags::run),
    ("http", http::run),
    ("loss_window", loss_window::run),
    ("service", service::run),
    ("session", session::run),
    ("targets_file", targets_file::run),
    ("web_config", web_config::run),
];

/// Defines the program of a target: a fuzzer if built by cargo-fuzz, otherwise one that runs the target
/// on the given files.
#[macro_export]
macro_rules! fuzzed {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target::run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::replay($crate::$target::run)
        }
    };
}

/// Runs a target on the files named on the command line.
pub fn replay(run: fn(&[u8])) -> ExitCode {
    for file in env::args_os().skip(1) {
        match fs::read(&file) {
            Ok(data) => run(&data),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
