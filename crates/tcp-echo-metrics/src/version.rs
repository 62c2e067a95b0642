//! The version of this build, for `--version` and `tcp_echo_build_info`.

/// The version of the package, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The short hash of its commit; `unknown` outside a repository.
pub const REVISION: &str = env!("TCP_ECHO_REVISION");

/// The version of the compiler, such as `1.95.0`.
pub const RUSTC: &str = env!("TCP_ECHO_RUSTC");

/// The date of its commit, such as `2026-04-14`; empty outside a repository.
pub(crate) const DATE: &str = env!("TCP_ECHO_DATE");

/// The text of `--version` after the name of the program.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("TCP_ECHO_REVISION"),
    ", rustc ",
    env!("TCP_ECHO_RUSTC"),
    ")"
);
