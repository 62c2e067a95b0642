//! Votes of flows that lose or stall for the links of their paths.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A link by the addresses of its ends, the near one first.
pub(crate) type Link = (IpAddr, IpAddr);

/// The votes for one link of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkVotes {
    /// The near end. Where a flow passes nothing at all, the last hop that answered.
    pub from: IpAddr,
    /// The far end.
    pub to: IpAddr,
    /// The sum of all votes so far: each is the reciprocal of the length of a path.
    pub votes: f64,
}

/// The votes for all links: a flow gives each of *n* links 1/*n* (007, NSDI 2018).
#[derive(Debug)]
pub(super) struct Votes {
    max: usize,
    links: Mutex<BTreeMap<Link, f64>>,
}

impl Votes {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            max,
            links: Mutex::new(BTreeMap::new()),
        }
    }

    /// Gives each of these links its part of one vote. Links beyond the limit get none.
    pub(super) fn vote(&self, links: &[Link]) {
        let vote = 1.0 / links.len().max(1) as f64;
        let mut votes = self.lock();
        for link in links {
            if let Some(votes) = votes.get_mut(link) {
                *votes += vote;
            } else if votes.len() < self.max {
                votes.insert(*link, vote);
            }
        }
    }

    /// All links with votes, in the order of their addresses.
    pub(super) fn all(&self) -> Vec<LinkVotes> {
        let links = self.lock();
        let votes = links
            .iter()
            .map(|(&(from, to), &votes)| LinkVotes { from, to, votes });
        votes.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Link, f64>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(hosts: &[u8]) -> Vec<(IpAddr, IpAddr)> {
        let ip = |host| IpAddr::from([10, 0, 0, host]);
        hosts
            .windows(2)
            .map(|pair| (ip(pair[0]), ip(pair[1])))
            .collect()
    }

    /// Four paths share one link, and each of the others is on one or two of them.
    #[test]
    fn the_link_that_bad_flows_share_has_the_most_votes() {
        let votes = Votes::new(100);
        for path in [
            [1, 11, 21, 31, 2],
            [1, 11, 21, 32, 3],
            [4, 12, 21, 31, 2],
            [5, 13, 21, 31, 6],
        ] {
            votes.vote(&links(&path));
        }
        let all = votes.all();
        let first = all
            .iter()
            .max_by(|a, b| a.votes.total_cmp(&b.votes))
            .unwrap();
        assert_eq!((first.from, first.to), links(&[21, 31])[0]);
        assert!((first.votes - 0.75).abs() < 1e-9);
        let sum: f64 = all.iter().map(|link| link.votes).sum();
        assert!((sum - 4.0).abs() < 1e-9, "one vote for each flow");
    }

    #[test]
    fn links_are_bounded() {
        let votes = Votes::new(2);
        votes.vote(&links(&[1, 2, 3, 4]));
        votes.vote(&links(&[3, 4]));
        votes.vote(&links(&[1, 2]));
        let all = votes.all();
        assert_eq!(all.len(), 2);
        assert!(all[0].votes > 1.0, "a known link goes on counting");
        votes.vote(&[]);
    }
}
