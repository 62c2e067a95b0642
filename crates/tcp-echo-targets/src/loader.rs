//! Loading the files beside everything else.

use std::{
    future::pending,
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::{JoinHandle, spawn_blocking};
use tracing::error;

use crate::{
    files::{Files, Loaded},
    handle::{Order, Waiting},
};

/// Loads the files on a thread that may block, once at a time.
pub(crate) struct Loader {
    files: Arc<Mutex<Files>>,
    /// Whether there is any file to be looked at.
    follows: bool,
    task: Option<JoinHandle<Option<Loaded>>>,
    /// Who waits for the load under way.
    served: Waiting,
    /// Who came after it had begun, and needs another.
    waiting: Waiting,
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

    /// Loads the files where they may have changed.
    pub(crate) fn poll(&mut self) {
        if self.follows {
            self.begin();
        }
    }

    /// Loads the files in any case.
    pub(crate) fn reload(&mut self, order: Order) {
        self.waiting.push(order);
        self.begin();
    }

    fn begin(&mut self) {
        if self.task.is_some() {
            return;
        }
        self.served = take(&mut self.waiting);
        let in_any_case = !self.served.is_empty();
        let files = self.files.clone();
        self.task = Some(spawn_blocking(move || {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            files.load(in_any_case)
        }));
    }

    /// Waits for the load under way, for ever where there is none, and gives its result
    /// and who waits for it. Nothing is lost where it is dropped while it waits.
    pub(crate) async fn finished(&mut self) -> (Option<Loaded>, Waiting) {
        let joined = match &mut self.task {
            Some(task) => task.await,
            None => pending().await,
        };
        self.task = None;
        let mut served = take(&mut self.served);
        let loaded = joined.unwrap_or_else(|error| {
            error!(%error, "the task that loads the targets files failed");
            // They are told by being dropped.
            served.clear();
            None
        });
        if !self.waiting.is_empty() {
            self.begin();
        }
        (loaded, served)
    }
}
