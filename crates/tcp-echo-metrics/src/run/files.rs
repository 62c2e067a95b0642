//! How many files may be open, and what they are for: each connection is one.

use std::num::NonZeroUsize;

use tcp_echo_metrics::cli::Config;
use tcp_echo_prober::SocketStats;
use tracing::warn;

/// What the program has open besides connections to targets and of the echo server:
/// listeners, event queues, timers, the log, files that are read, connections to the
/// endpoints, look-ups. A quarter of the limit, where that is less.
const RESERVE: usize = 800;

/// How many connections there may be of each kind; `None` is any number.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// How many targets there may be at once, with those that may be asked for.
    pub(super) targets: usize,
    /// To targets.
    pub(super) probing: Option<NonZeroUsize>,
    /// Of the echo server, beside a prober. Alone it may take what there is: it accepts no
    /// more when that is used up.
    pub(super) serving: Option<NonZeroUsize>,
    /// What counts the targets without a socket. It knows if the log has told already that
    /// not all will have one.
    pub(super) socket_stats: SocketStats,
}

/// What is wanted of the limit.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// None where nothing is probed.
    targets: Option<usize>,
    /// None where nothing is served; 0 is any number.
    served: Option<usize>,
}

/// Raises the limit of open files to what the system allows, as far as it can, and shares it
/// out. Says so where the connections to `listed` targets, to those that may be asked for and
/// of the server don't all fit.
pub(super) fn budget(config: &Config, listed: usize) -> Budget {
    let asked = config.on_demand.as_ref().map_or(0, |limits| limits.max);
    let targets = listed.saturating_add(asked);
    let Some(limit) = raise_limit() else {
        return Budget {
            targets,
            ..Budget::default()
        };
    };
    let most = config.server.max_connections.map_or(0, NonZeroUsize::get);
    let wanted = Wanted {
        targets: config.mode.probes().then_some(targets),
        served: config.mode.serves().then_some(most),
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
        "too few files may be open for all connections: raise the limit, as with \
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
        // The server leaves a quarter to targets, since a list may become longer later, and up
        // to a half where there are as many.
        let serving = self.served.map(|served| {
            let most = rest - targets.clamp(rest / 4, rest / 2);
            if served == 0 { most } else { served.min(most) }
        });
        let probing = rest - serving.unwrap_or(0);
        Budget {
            targets,
            probing: Some(at_least_one(probing)),
            serving: serving.map(at_least_one),
            ..Budget::default()
        }
    }

    /// Whether all of it fits; what is without a limit fits.
    fn fits(self, limit: usize, budget: &Budget) -> bool {
        let within = |wanted: Option<usize>, share: Option<NonZeroUsize>| {
            wanted.unwrap_or(0) <= share.map_or_else(|| rest(limit), NonZeroUsize::get)
        };
        within(self.targets, budget.probing) && within(self.served, budget.serving)
    }

    /// The limit with which it would.
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

/// Gives the limit as it then is; nothing where there is none.
#[cfg(unix)]
fn raise_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tracing::debug;

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
    fn a_reserve_is_left() {
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
    fn what_does_not_fit_is_known() {
        assert!(fits(1024, Some(768), None) && !fits(1024, Some(769), None));
        assert!(fits(1024, None, Some(768)) && !fits(1024, None, Some(769)));
        assert!(fits(1024, Some(384), Some(384)) && !fits(1024, Some(384), Some(385)));
        assert!(
            fits(1024, Some(384), Some(0)),
            "any number is what there is"
        );
        let wanted = |targets, served| Wanted { targets, served }.files();
        assert_eq!(wanted(Some(1100), Some(10_000)), 11_900);
        assert_eq!(wanted(None, Some(usize::MAX)), usize::MAX);
    }
}
