//! What this build is, for `--version` and `tcp_echo_build_info`.

/// The version of the package, such as `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The short hash of the commit it was built from; `unknown` outside a repository.
pub const REVISION: &str = env!("TCP_ECHO_REVISION");

/// The version of the compiler, such as `1.95.0`.
pub const RUSTC: &str = env!("TCP_ECHO_RUSTC");

/// The day of that commit, such as `2026-04-14`; empty outside a repository.
pub(crate) const DATE: &str = env!("TCP_ECHO_DATE");

/// What `--version` prints after the program's name.
pub(crate) const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("TCP_ECHO_REVISION"),
    ", rustc ",
    env!("TCP_ECHO_RUSTC"),
    ")"
);
