//! Loading the files in the background.

use std::{
    future::pending,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::{JoinHandle, spawn_blocking};
use tracing::error;

use crate::{
    files::{Files, Loaded},
    handle::{Reply, Waiters},
};

/// Loads the files on a blocking thread, one load at a time.
pub(crate) struct Loader {
    files: Arc<Mutex<Files>>,
    /// Whether there are files to follow.
    follows: bool,
    task: Option<JoinHandle<Option<Loaded>>>,
    /// Waiters of the load in progress.
    served: Waiters,
    /// Waiters of the next load.
    waiting: Waiters,
}

impl Loader {
    pub(crate) fn new(files: Files, follows: bool) -> Self {
        Self {
            files: Arc::new(Mutex::new(files)),
            follows,
            task: None,
            served: vec![],
            waiting: vec![],
        }
    }

    /// Loads the files that may have changed.
    pub(crate) fn poll(&mut self) {
        if self.follows {
            self.begin();
        }
    }

    /// Loads all files.
    pub(crate) fn reload(&mut self, reply: Reply) {
        self.waiting.push(reply);
        self.begin();
    }

    fn begin(&mut self) {
        if self.task.is_some() {
            return;
        }
        self.served = take(&mut self.waiting);
        let is_forced = !self.served.is_empty();
        let files = self.files.clone();
        self.task = Some(spawn_blocking(move || {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.load(is_forced)
        }));
    }

    /// Waits for the load in progress, and returns its result and its waiters. Never resolves
    /// without a load. Cancel safe.
    pub(crate) async fn finished(&mut self) -> (Option<Loaded>, Waiters) {
        let joined = match &mut self.task {
            Some(task) => task.await,
            None => pending().await,
        };
        self.task = None;
        let mut served = take(&mut self.served);
        let loaded = joined.unwrap_or_else(|error| {
            error!(%error, "task that loads the targets files failed");
            // Dropping them notifies the waiters.
            served.clear();
            None
        });
        if !self.waiting.is_empty() {
            self.begin();
        }
        (loaded, served)
    }
}
