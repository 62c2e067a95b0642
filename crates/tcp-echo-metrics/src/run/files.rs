//! Shares the limit of open files between the parts: each connection is one.

use std::num::NonZeroUsize;

use tcp_echo_metrics::cli::Config;
use tcp_echo_prober::SocketStats;
use tracing::warn;

/// The files besides connections to targets and of the echo server: listeners, event queues,
/// timers, the log, files being read, connections to the endpoints, look-ups. A quarter of the
/// limit, if that is less.
const RESERVE: usize = 800;

/// The maximum of connections of each kind; `None` is no limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// The maximum of targets, including those on demand.
    pub(super) targets: usize,
    /// To targets.
    pub(super) probing: Option<NonZeroUsize>,
    /// Of the echo server, beside a prober. Alone it may use all files: it stops accepting when
    /// there are no more.
    pub(super) serving: Option<NonZeroUsize>,
    /// Counts the targets without a socket. It knows whether the shortage is logged already.
    pub(super) socket_stats: SocketStats,
}

/// The numbers of connections wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// `None` without a prober.
    targets: Option<usize>,
    /// `None` without a server; 0 is no limit.
    served: Option<usize>,
}

/// Raises the limit of open files as far as the system allows, and shares it. Logs a warning if
/// the connections to `listed` targets, to targets on demand and of the server don't all fit.
pub(super) fn budget(config: &Config, listed: usize) -> Budget {
    let requested = config.on_demand.as_ref().map_or(0, |limits| limits.max);
    let targets = listed.saturating_add(requested);
    let Some(limit) = raise_limit() else {
        return Budget {
            targets,
            ..Budget::default()
        };
    };
    let max = config.server.max_connections.map_or(0, NonZeroUsize::get);
    let wanted = Wanted {
        targets: config.mode.probes().then_some(targets),
        served: config.mode.serves().then_some(max),
    };
    let budget = wanted.share(limit);
    if wanted.fits(limit, &budget) {
        return budget;
    }
    let sockets = budget.probing.map(NonZeroUsize::get);
    if sockets.is_some_and(|sockets| sockets < targets) {
        budget.socket_stats.shortage_was_logged();
    }
    warn!(
        limit,
        wanted = wanted.files(),
        targets,
        probing_sockets = sockets,
        "the limit of open files is too low for all connections: raise it, as with \
         `ulimit -n` or LimitNOFILE"
    );
    budget
}

impl Wanted {
    fn share(self, limit: usize) -> Budget {
        let rest = rest(limit);
        let Some(targets) = self.targets else {
            return Budget::default();
        };
        // The server leaves a quarter to targets, since lists may grow, and up to a half if
        // there are as many.
        let serving = self.served.map(|served| {
            let max = rest - targets.clamp(rest / 4, rest / 2);
            if served == 0 { max } else { served.min(max) }
        });
        let probing = rest - serving.unwrap_or(0);
        Budget {
            targets,
            probing: Some(at_least_one(probing)),
            serving: serving.map(at_least_one),
            ..Budget::default()
        }
    }

    /// Whether all connections fit. Without a limit they do.
    fn fits(self, limit: usize, budget: &Budget) -> bool {
        let within = |wanted: Option<usize>, share: Option<NonZeroUsize>| {
            wanted.unwrap_or(0) <= share.map_or_else(|| rest(limit), NonZeroUsize::get)
        };
        within(self.targets, budget.probing) && within(self.served, budget.serving)
    }

    /// The limit that would fit all.
    fn files(self) -> usize {
        let parts = [self.targets, self.served, Some(RESERVE)];
        parts
            .iter()
            .flatten()
            .fold(0, |sum, part| sum.saturating_add(*part))
    }
}

fn rest(limit: usize) -> usize {
    limit - RESERVE.min(limit / 4)
}

fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

/// Windows has no such limit.
#[cfg(not(unix))]
const fn raise_limit() -> Option<usize> {
    None
}

/// Returns the raised limit; `None` if there is none.
#[cfg(unix)]
fn raise_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tracing::debug;

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // If the system refuses, the limit is unchanged.
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            debug!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    current.map(|current| usize::try_from(current).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(limit: usize, targets: Option<usize>, served: Option<usize>) -> [Option<usize>; 2] {
        let budget = Wanted { targets, served }.share(limit);
        [budget.probing, budget.serving].map(|share| share.map(NonZeroUsize::get))
    }

    fn fits(limit: usize, targets: Option<usize>, served: Option<usize>) -> bool {
        let wanted = Wanted { targets, served };
        wanted.fits(limit, &wanted.share(limit))
    }

    #[test]
    fn a_reserve_remains() {
        assert_eq!(share(1024, Some(1100), None), [Some(768), None]);
        assert_eq!(share(1024, Some(3), None), [Some(768), None]);
        assert_eq!(share(20_000, Some(100_000), None), [Some(19_200), None]);
        assert_eq!(share(1, Some(1), None), [Some(1), None]);
        assert_eq!(share(0, Some(1), Some(1)), [Some(1), Some(1)]);
        let all = share(usize::MAX, Some(1), Some(0));
        assert_eq!(all.map(|share| share.is_some()), [true, true]);
    }

    #[test]
    fn server_and_prober_leave_each_other_a_share() {
        assert_eq!(
            share(1024, Some(1100), Some(10_000)),
            [Some(384), Some(384)]
        );
        assert_eq!(share(1024, Some(1100), Some(100)), [Some(668), Some(100)]);
        assert_eq!(share(1024, Some(10), Some(10_000)), [Some(192), Some(576)]);
        assert_eq!(share(1024, Some(10), Some(0)), [Some(192), Some(576)]);
        assert_eq!(
            share(20_000, Some(10), Some(10_000)),
            [Some(9200), Some(10_000)]
        );
        assert_eq!(share(1024, None, Some(10_000)), [None, None]);
    }

    #[test]
    fn a_limit_may_be_too_low() {
        assert!(fits(1024, Some(768), None) && !fits(1024, Some(769), None));
        assert!(fits(1024, None, Some(768)) && !fits(1024, None, Some(769)));
        assert!(fits(1024, Some(384), Some(384)) && !fits(1024, Some(384), Some(385)));
        assert!(fits(1024, Some(384), Some(0)), "no limit fits");
        let wanted = |targets, served| Wanted { targets, served }.files();
        assert_eq!(wanted(Some(1100), Some(10_000)), 11_900);
        assert_eq!(wanted(None, Some(usize::MAX)), usize::MAX);
    }
}
