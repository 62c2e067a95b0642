//! Measures the figures of the project and writes `docs/benchmarks`.
//!
//! ```sh
//! cargo run -p tcp-echo-benches --bin measure              # some minutes
//! cargo run -p tcp-echo-benches --bin measure -- --quick   # only shows that everything runs
//! ```
//!
//! It builds the programs that it measures, and starts and ends them itself.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("measure reads processor time and memory from /proc: Linux only");
    ExitCode::from(2)
}
