//! The scenarios of `tests/src/e2e`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tcp_echo_e2e::run_e2e()
}
