//! Prometheus metrics and HTTP endpoints for TCP echo probing.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod about;
mod buckets;
mod cells;
mod encode;
mod endpoints;
mod exporter;
mod families;
mod labels;
mod layout;
mod native;
mod negotiate;
mod page;
mod process;
mod readiness;
mod respond;
mod server;
mod single;
mod snapshot;
mod status;
mod sync;
mod targets;

pub use about::{BuildInfo, ReloadStatus};
pub use buckets::{Buckets, BucketsError};
pub use endpoints::{Endpoints, ReloadError};
pub use exporter::Exporter;
pub use readiness::Readiness;
pub use targets::{TargetMetrics, TargetSensor};
pub use tcp_echo_server::{Address, BindError};
