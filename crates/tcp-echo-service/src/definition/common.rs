//! Values that all definitions share.

/// A line that describes the service.
pub(super) const DESCRIPTION: &str = "TCP echo: latency and loss between hosts, for Prometheus";
/// The delay of a restart after a failure, in seconds.
pub(super) const RESTART_SECONDS: u32 = 5;
/// The limit of open files where the system's default is low: one for every connection, and
/// a reserve.
pub(super) const MAX_FILES: u32 = 65_536;
