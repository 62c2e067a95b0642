//! The task that logs begins and ends, and writes the state file.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::timeout};

use crate::{announce::Logger, registry::Episodes, state::StateFile};

/// The shortest time between two writes of the file.
const WRITE_EVERY: Duration = Duration::from_secs(3);
/// While an episode lasts, the file is written so often: if the process is killed, the episode
/// ends at the last write.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// How soon what is pending is looked at again.
const SOON: Duration = Duration::from_millis(500);

/// The writes of the state file.
struct Saving {
    file: Arc<StateFile>,
    /// The changes that are written.
    written: u64,
    next: Instant,
    refresh: Instant,
    /// The write that goes on, on a thread where it may hang.
    write: Option<JoinHandle<()>>,
}

impl Episodes {
    /// Logs each begin and end, and keeps the file up to date, until it is dropped. Needs a tokio
    /// runtime.
    pub async fn run(self, file: Option<Arc<StateFile>>) -> Infallible {
        let logger = Logger::new();
        let mut saving = file.map(|file| Saving::new(file, self.changes()));
        loop {
            let is_pending = self.has_announcements()
                || saving
                    .as_ref()
                    .is_some_and(|saving| saving.is_pending(&self));
            let wait = if is_pending { SOON } else { REFRESH_EVERY };
            // What has happened is looked at below, in any case.
            let _ = timeout(wait, self.shared.has_news.notified()).await;
            let now = Instant::now();
            logger.log(&self.take_announcements(now));
            if let Some(saving) = &mut saving {
                saving.save(&self, now);
            }
        }
    }

    /// Writes the file now, before the process ends. It may hang with the file system.
    pub fn save(&self, file: &StateFile) {
        file.save(&self.newest());
    }
}

impl Saving {
    fn new(file: Arc<StateFile>, written: u64) -> Self {
        let now = Instant::now();
        Self {
            file,
            written,
            next: now,
            refresh: now,
            write: None,
        }
    }

    fn is_pending(&self, episodes: &Episodes) -> bool {
        self.written != episodes.changes()
    }

    fn save(&mut self, episodes: &Episodes, now: Instant) {
        if self
            .write
            .as_ref()
            .is_some_and(|write| !write.is_finished())
            || now < self.next
        {
            return;
        }
        let changes = episodes.changes();
        let is_stale = now >= self.refresh && episodes.lasting() > 0;
        if changes == self.written && !is_stale {
            return;
        }
        let (file, newest) = (Arc::clone(&self.file), episodes.newest());
        self.written = changes;
        (self.next, self.refresh) = (now + WRITE_EVERY, now + REFRESH_EVERY);
        self.write = Some(tokio::task::spawn_blocking(move || file.save(&newest)));
    }
}
