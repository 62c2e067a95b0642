//! Joins the episodes of flows.

mod target;

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use tcp_echo_prober::Paths;

use crate::{
    announce::{Announcement, Announcements},
    record::Record,
    sensor::{Message, Seen},
    totals::Totals,
};
use target::{Ended, TargetEpisodes};

/// How many episodes that have ended are kept.
pub(crate) const MAX_ENDED: usize = 1_000;

/// The episodes of all targets.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Targets that had any since they are probed.
    targets: HashMap<Arc<str>, TargetEpisodes>,
    /// The oldest first, in the order of their ends.
    ended: VecDeque<Record>,
    announcements: Announcements,
    changes: u64,
}

impl Joined {
    pub(crate) fn resumed(ended: Vec<Record>) -> Self {
        let mut joined = Self {
            ended: ended.into(),
            ..Self::default()
        };
        joined.forget();
        joined
    }

    pub(crate) fn handle(&mut self, message: Message, paths: Option<&Paths>) {
        self.changes += 1;
        let Message {
            target,
            flow,
            seen,
            at,
        } = message;
        let name = target.name();
        let of_target = match self.targets.get_mut(name) {
            Some(found) => found,
            None if matches!(seen, Seen::Gone) => return,
            None => {
                let flows = target.flows().get();
                let new = TargetEpisodes::new(Arc::clone(name), flows);
                self.targets.entry(Arc::clone(name)).or_insert(new)
            }
        };
        // Before it ends, too: it may have been traced meanwhile.
        of_target.locate(paths);
        let ended = match seen {
            Seen::Episode(episode, lost) => of_target.on_episode(flow, episode, lost, at),
            Seen::Gone => of_target.on_gone(flow, at.0),
        };
        if of_target.is_gone() {
            self.targets.remove(name);
        }
        if let Some(of_target) = self.targets.get_mut(name) {
            of_target.locate(paths);
            of_target.announce(&mut self.announcements, at.0);
        }
        if let Some(Ended { record, is_logged }) = ended {
            self.announcements.end(&record, is_logged);
            self.ended.push_back(record);
        }
        self.forget();
    }

    fn forget(&mut self) {
        let excess = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..excess);
    }

    pub(crate) fn newest(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Record> {
        let lasting = self.targets.values().filter_map(TargetEpisodes::lasting);
        let ended = self.ended.iter().cloned();
        let all = lasting.chain(ended);
        let mut newest: Vec<_> = all.filter(|record| is_wanted(&record.target)).collect();
        newest.sort_by_key(|record| Reverse(record.began));
        newest
    }

    pub(crate) fn totals(&self) -> HashMap<Arc<str>, Totals> {
        let targets = self.targets.iter();
        targets
            .map(|(name, target)| (Arc::clone(name), target.totals().clone()))
            .collect()
    }

    pub(crate) fn lasting(&self) -> usize {
        let targets = self.targets.values();
        targets.filter_map(TargetEpisodes::lasting).count()
    }

    pub(crate) fn take_announcements(&mut self, now: Instant) -> Vec<Announcement> {
        for target in self.targets.values_mut() {
            target.announce(&mut self.announcements, now);
        }
        self.announcements.take()
    }

    pub(crate) fn has_announcements(&self) -> bool {
        let mut targets = self.targets.values();
        targets.any(TargetEpisodes::is_unannounced)
    }

    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }
}
