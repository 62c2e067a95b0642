//! The shares of the parts in the limit of open files.

use std::num::NonZeroUsize;

use tcp_echo_metrics::cli::Config;
use tcp_echo_net::{FileShares, WantedFiles, raise_file_limit};
use tcp_echo_prober::{SocketStats, Target, TargetSet};
use tracing::warn;

/// The maximum of connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// The maximum of flows of all targets, including those on demand.
    pub(super) flows: usize,
    pub(super) shares: FileShares,
    /// Counts the targets without a socket. It knows whether the shortage is logged already.
    pub(super) socket_stats: SocketStats,
}

/// Raises the limit of open files as far as the system allows, and shares it. Logs a warning if
/// the connections of all flows of `listed` targets and of targets on demand, and those of the server,
/// don't all fit.
pub(super) fn budget(config: &Config, listed: &TargetSet) -> Budget {
    let requested = config.on_demand.as_ref().map_or(0, |limits| limits.max);
    let targets = listed.len().saturating_add(requested);
    let requested = requested.saturating_mul(config.client.flows.get().into());
    let flows = flows(listed).saturating_add(requested);
    let mut budget = Budget {
        flows,
        ..Budget::default()
    };
    let Some(limit) = raise_file_limit() else {
        return budget;
    };
    let max = config.server.max_connections.map_or(0, NonZeroUsize::get);
    let wanted = WantedFiles {
        targets: config.mode.probes().then_some(flows),
        served: config.mode.serves().then_some(max),
    };
    budget.shares = wanted.share(limit);
    if wanted.fit(limit, &budget.shares) {
        return budget;
    }
    let sockets = budget.shares.targets.map(NonZeroUsize::get);
    if sockets.is_some_and(|sockets| sockets < flows) {
        budget.socket_stats.shortage_was_logged();
    }
    warn!(
        limit,
        wanted = wanted.files(),
        targets,
        flows,
        probing_sockets = sockets,
        "the limit of open files is too low for all connections: raise it, as with \
         `ulimit -n` or LimitNOFILE"
    );
    budget
}

/// The number of flows of these targets.
pub(super) fn flows(targets: &TargetSet) -> usize {
    let flows = targets.iter().map(Target::flows);
    flows.map(|flows| usize::from(flows.get())).sum()
}
