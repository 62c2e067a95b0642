//! The HTTP server, its limits, and responses that are streamed. It knows no metrics.

pub(crate) mod accept;
pub(crate) mod allowed_hosts;
pub(crate) mod body;
pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod exporter;
pub(crate) mod quota;
pub(crate) mod renderer;
pub(crate) mod responses;
