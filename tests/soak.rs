//! The run of `tests/src/soak.rs`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tcp_echo_e2e::run_soak()
}
