//! The HTTP server, its limits, and responses that are streamed. It knows no metrics.

pub(crate) mod accept;
pub(crate) mod allowed_hosts;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod exporter;
pub(crate) mod renderer;
pub(crate) mod responses;

/// How many connections, or responses in memory, a client may hold for each free one. So it has
/// up to half of what the others leave.
const HELD_PER_FREE: usize = 1;
