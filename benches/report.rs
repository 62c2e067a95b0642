//! The report that `load` prints and `compare-servers` parses.

use serde::{Deserialize, Serialize};

/// The result for one server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its address.
    pub(crate) server: String,
    /// All echoes, including those outside the measured time.
    pub(crate) echoes: u64,
    /// The measurements, one per round.
    pub(crate) slices: Vec<Slice>,
}

/// A measurement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Echoes per second of all connections.
    pub(crate) per_second: f64,
    /// Round-trip times in microseconds.
    pub(crate) rtt_us: Rtt,
}

/// Round-trip times in microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rtt {
    /// The median.
    pub(crate) p50: f64,
    /// The 99th percentile.
    pub(crate) p99: f64,
}
