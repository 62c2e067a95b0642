//! Shares the limit of open files between connections to targets and those of a server: each is
//! one file.

use std::num::NonZeroUsize;

/// The files besides these connections: listeners, event queues, timers, the log, files being
/// read, other connections, look-ups. A quarter of the limit, if that is less.
const RESERVE: usize = 800;

/// The numbers of connections wanted.
///
/// ```
/// use tcp_echo_net::WantedFiles;
///
/// let wanted = WantedFiles { targets: Some(100), served: Some(10_000) };
/// let shares = wanted.share(1024);
/// assert_eq!(shares.targets.map(usize::from), Some(192));
/// assert_eq!(shares.served.map(usize::from), Some(576));
/// assert!(!wanted.fit(1024, &shares));
/// assert_eq!(wanted.files(), 10_900);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedFiles {
    /// Connections to targets; `None` without a prober.
    pub targets: Option<usize>,
    /// Connections of the server; `None` without a server. 0 is no limit.
    pub served: Option<usize>,
}

/// The maximum of connections of each kind; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileShares {
    /// To targets.
    pub targets: Option<NonZeroUsize>,
    /// Of the server, beside a prober. Alone it may use all files: it stops accepting when there
    /// are no more.
    pub served: Option<NonZeroUsize>,
}

impl WantedFiles {
    /// Shares the limit of open files.
    pub fn share(self, limit: usize) -> FileShares {
        let rest = rest(limit);
        let Some(targets) = self.targets else {
            return FileShares::default();
        };
        // The server leaves a quarter to targets, since lists may grow, and up to a half if
        // there are as many.
        let served = self.served.map(|served| {
            let max = rest - targets.clamp(rest / 4, rest / 2);
            if served == 0 { max } else { served.min(max) }
        });
        FileShares {
            targets: Some(at_least_one(rest - served.unwrap_or(0))),
            served: served.map(at_least_one),
        }
    }

    /// Whether all connections fit. Without a limit they do.
    pub fn fit(self, limit: usize, shares: &FileShares) -> bool {
        let within = |wanted: Option<usize>, share: Option<NonZeroUsize>| {
            wanted.unwrap_or(0) <= share.map_or_else(|| rest(limit), NonZeroUsize::get)
        };
        within(self.targets, shares.targets) && within(self.served, shares.served)
    }

    /// The limit that would fit all.
    pub fn files(self) -> usize {
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

/// Raises the limit of open files of this process as far as the system allows, and returns it;
/// `None` if there is none, as on Windows.
#[cfg(not(unix))]
pub const fn raise_file_limit() -> Option<usize> {
    None
}

/// Raises the limit of open files of this process as far as the system allows, and returns it;
/// `None` if there is none, as on Windows.
#[cfg(unix)]
pub fn raise_file_limit() -> Option<usize> {
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
        let shares = WantedFiles { targets, served }.share(limit);
        [shares.targets, shares.served].map(|share| share.map(NonZeroUsize::get))
    }

    fn fits(limit: usize, targets: Option<usize>, served: Option<usize>) -> bool {
        let wanted = WantedFiles { targets, served };
        wanted.fit(limit, &wanted.share(limit))
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
        let wanted = |targets, served| WantedFiles { targets, served }.files();
        assert_eq!(wanted(Some(1100), Some(10_000)), 11_900);
        assert_eq!(wanted(None, Some(usize::MAX)), usize::MAX);
    }
}
