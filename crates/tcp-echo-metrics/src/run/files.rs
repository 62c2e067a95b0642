//! How many files may be open: each connection is one. Windows has no such limit.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tcp_echo_metrics::cli::Config;
use tracing::{debug, warn};

/// What the program has open besides connections: listeners, event queues, timers,
/// the log, connections to the endpoints, look-ups.
const SPARE: u64 = 800;

/// Raises the limit of open files to what the system allows, as far as it can, and
/// says so where the connections to `targets` and of the server won't fit all the same.
pub(super) fn raise_limit(config: &Config, targets: usize) {
    let served = match config.server.max_connections {
        Some(most) if config.mode.serves() => most.get(),
        _ => 0,
    };
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // A system that refuses leaves the limit as it was.
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            debug!(%error, "the limit of open files stays as it is");
            limit.current
        }
    };
    let wanted = SPARE + served.saturating_add(targets) as u64;
    if let Some(current) = current.filter(|current| *current < wanted) {
        warn!(
            limit = current,
            wanted,
            "too few files may be open for all connections: raise the limit, \
             as with `ulimit -Hn` or LimitNOFILE"
        );
    }
}
