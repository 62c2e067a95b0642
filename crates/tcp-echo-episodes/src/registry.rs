//! The episodes of all targets.

use std::{
    collections::HashMap,
    mem::take,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use tcp_echo_prober::{Observer, Paths, Target};
use tokio::sync::Notify;

use crate::{
    announce::Announcement,
    join::Joined,
    record::Record,
    sensor::{EpisodeSensor, Message},
    state::Loaded,
    totals::Totals,
};

/// Joins and keeps the episodes of a prober's targets: its [`Observer`]. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// What sensors have seen and nobody has read. It is locked for moments, so that no sensor
    /// waits for a reader.
    inbox: Mutex<Vec<Message>>,
    joined: Mutex<Joined>,
    paths: Option<Paths>,
    pub(crate) has_news: Notify,
}

/// If nobody reads for so long, a sensor does.
const MAX_UNREAD: usize = 4096;

impl Episodes {
    /// Episodes that know the source ports and last hops of flows from `paths`, which has to be
    /// that of the prober.
    pub fn with_paths(paths: Paths) -> Self {
        Self::start(Some(paths), Loaded::default())
    }

    /// Episodes that begin with those of an earlier process.
    pub fn resumed(paths: Paths, loaded: Loaded) -> Self {
        Self::start(Some(paths), loaded)
    }

    fn start(paths: Option<Paths>, loaded: Loaded) -> Self {
        Self {
            shared: Arc::new(Shared {
                inbox: Mutex::default(),
                joined: Mutex::new(Joined::resumed(loaded.records)),
                paths,
                has_news: Notify::new(),
            }),
        }
    }

    /// The episodes of all targets, the newest first: those that last, and up to 1,000 that have
    /// ended.
    pub fn newest(&self) -> Vec<Record> {
        self.shared.joined().newest(|_| true)
    }

    /// Those of the target of this name.
    pub fn newest_of(&self, target: &str) -> Vec<Record> {
        self.shared.joined().newest(|name| name == target)
    }

    /// How many have ended, of each target that had any since it is probed.
    pub fn totals(&self) -> HashMap<Arc<str>, Totals> {
        self.shared.joined().totals()
    }

    /// How many last.
    pub fn lasting(&self) -> usize {
        self.shared.joined().lasting()
    }

    /// Takes what is to be logged by now.
    pub(crate) fn take_announcements(&self, now: Instant) -> Vec<Announcement> {
        self.shared.joined().take_announcements(now)
    }

    /// Whether something is to be logged later.
    pub(crate) fn has_announcements(&self) -> bool {
        self.shared.joined().has_announcements()
    }

    /// Counts the changes so far.
    pub(crate) fn changes(&self) -> u64 {
        self.shared.joined().changes()
    }
}

impl Shared {
    pub(crate) fn tell(&self, message: Message) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.push(message);
        let is_full = inbox.len() >= MAX_UNREAD;
        drop(inbox);
        if is_full {
            drop(self.joined());
        } else {
            self.has_news.notify_one();
        }
    }

    /// All that was told so far.
    fn joined(&self) -> MutexGuard<'_, Joined> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = take(&mut *inbox);
        drop(inbox);
        for message in messages {
            joined.handle(message, self.paths.as_ref());
        }
        joined
    }
}

impl Observer for Episodes {
    type Sensor = EpisodeSensor;

    fn attach(&self, target: &Target) -> EpisodeSensor {
        self.attach_flow(target, 0)
    }

    fn attach_flow(&self, target: &Target, flow: u16) -> EpisodeSensor {
        EpisodeSensor::new(Arc::clone(&self.shared), target, flow)
    }
}

/// A moment by the realtime clock, given one by the monotonic clock that is at most a while ago.
pub(crate) fn wall(moment: Instant, (now, wall): (Instant, SystemTime)) -> SystemTime {
    let ago = now.saturating_duration_since(moment);
    wall.checked_sub(ago).unwrap_or(wall)
}
