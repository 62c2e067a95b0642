//! What `load` prints and `compare-servers` reads.

use serde::{Deserialize, Serialize};

/// The load on one server, in all.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its address.
    pub(crate) server: String,
    /// Every echo, those outside the measured time too.
    pub(crate) echoes: u64,
    /// What was measured, one slice a round.
    pub(crate) slices: Vec<Slice>,
}

/// One measured time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// Echoes a second, of all connections together.
    pub(crate) per_second: f64,
    /// Round-trip times in microseconds.
    pub(crate) rtt_us: Rtt,
}

/// Round-trip times in microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rtt {
    /// Half of them were as short.
    pub(crate) p50: f64,
    /// All but one in a hundred were as short.
    pub(crate) p99: f64,
}
