//! What a prober knows of the paths to its targets.

mod flows;
mod loss;
mod votes;

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

pub(crate) use flows::TargetFlows;
pub(crate) use loss::{LossCounts, RecentLoss};
pub(crate) use votes::Link;
pub use votes::LinkVotes;
use votes::Votes;

use crate::{Path, Target};

/// How many links get votes at most, by default.
const DEFAULT_MAX_LINKS: usize = 1_000;

/// What a prober knows of the paths to its targets: the flows, which of them are bad, the hops
/// on their way, and the votes for links. Clones share it.
///
/// A target of one flow appears once its path was traced.
///
/// ```
/// use tcp_echo_prober::{Paths, Prober};
///
/// let paths = Paths::default();
/// let prober = Prober::builder().paths(paths.clone()).start()?;
/// for link in paths.votes() {
///     println!("{} -> {}: {}", link.from, link.to, link.votes);
/// }
/// # prober.stop().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Paths(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    targets: Mutex<HashMap<Arc<str>, Weak<TargetFlows>>>,
    votes: Votes,
}

/// One flow of a target.
#[derive(Clone, Debug)]
pub struct FlowStatus {
    /// The source port; `None` before the first connection if the system chooses it.
    pub source_port: Option<u16>,
    /// Whether it loses or stalls while other flows of the target don't.
    pub is_bad: bool,
    /// The lost part of its loss window, 0 to 1.
    pub loss_ratio: f64,
    /// The median RTT of the last replies.
    pub rtt: Option<Duration>,
    /// The path of its last trace.
    pub path: Option<Arc<Path>>,
}

/// The flows of a target together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FlowSummary {
    /// How many there are.
    pub flows: u16,
    /// How many lose or stall while others don't.
    pub bad: u16,
    /// The loss of the worst one, 0 to 1: of the bad ones if there are any, the one with the
    /// highest loss, then with the longest RTT.
    pub worst_loss_ratio: f64,
    /// Its median RTT.
    pub worst_rtt: Option<Duration>,
    /// Its source port.
    pub worst_port: Option<u16>,
    /// The difference of the longest and the shortest median RTT.
    pub rtt_spread: Duration,
}

impl FlowSummary {
    fn of(flows: &[FlowStatus]) -> Self {
        let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let rtts = || flows.iter().filter_map(|flow| flow.rtt);
        let worst = flows.iter().max_by(|a, b| {
            (a.is_bad, a.loss_ratio, a.rtt)
                .partial_cmp(&(b.is_bad, b.loss_ratio, b.rtt))
                .unwrap_or(Ordering::Equal)
        });
        Self {
            flows: number(flows.len()),
            bad: number(flows.iter().filter(|flow| flow.is_bad).count()),
            worst_loss_ratio: worst.map_or(0.0, |flow| flow.loss_ratio),
            worst_rtt: worst.and_then(|flow| flow.rtt),
            worst_port: worst.and_then(|flow| flow.source_port),
            rtt_spread: match (rtts().min(), rtts().max()) {
                (Some(shortest), Some(longest)) => longest.saturating_sub(shortest),
                _ => Duration::ZERO,
            },
        }
    }
}

impl Paths {
    /// Gives votes to at most so many links.
    pub fn with_max_links(max: usize) -> Self {
        Self(Arc::new(Shared {
            targets: Mutex::default(),
            votes: Votes::new(max),
        }))
    }

    /// The flows of the target of this name, in order; `None` without anything known of them.
    pub fn flows(&self, target: &str) -> Option<Vec<FlowStatus>> {
        Some(self.target(target)?.statuses())
    }

    /// The flows of the target of this name together; `None` without anything known of them.
    pub fn summary(&self, target: &str) -> Option<FlowSummary> {
        Some(self.target(target)?.summary())
    }

    /// The votes for all links so far, in the order of their addresses. A flow that loses on its
    /// way to the target votes for each link of its path, and one that gets no answer for the link
    /// behind the last living hop, every ten seconds at most for as long as that lasts.
    pub fn votes(&self) -> Vec<LinkVotes> {
        self.0.votes.all()
    }

    fn target(&self, name: &str) -> Option<Arc<TargetFlows>> {
        self.lock().get(name)?.upgrade()
    }

    /// The record of a target's flows, shared by them and dropped with the last.
    pub(crate) fn attach(&self, target: &Target) -> Arc<TargetFlows> {
        let mut targets = self.lock();
        if let Some(flows) = targets.get(target.name()).and_then(Weak::upgrade) {
            return flows;
        }
        if targets.len() == targets.capacity() {
            targets.retain(|_, flows| flows.strong_count() > 0);
            let spare = targets.len();
            targets.reserve(spare);
        }
        let flows = Arc::new(TargetFlows::new(target.flows().get()));
        targets.insert(target.name().clone(), Arc::downgrade(&flows));
        flows
    }

    /// Gives these links of a flow's path its vote.
    pub(crate) fn vote(&self, links: &[Link]) {
        self.0.votes.vote(links);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<TargetFlows>>> {
        self.0
            .targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Paths {
    /// Gives votes to at most 1,000 links.
    fn default() -> Self {
        Self::with_max_links(DEFAULT_MAX_LINKS)
    }
}
