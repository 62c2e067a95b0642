//! The commands of a worker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::Target;

/// A name, and the target to probe under it from now on; `None` stops it.
pub(crate) type Command = (Arc<str>, Option<Target>);

/// The pending commands for one worker, at most one per name: a later one replaces one that
/// was not taken yet. So the queue never exceeds the list, however often that changes.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: BTreeMap<Arc<str>, Option<Target>>,
    is_closed: bool,
}

impl Commands {
    /// Adds all of them at once.
    pub(crate) fn push(&self, commands: impl IntoIterator<Item = Command>) {
        self.lock().wanted.extend(commands);
        self.changed.notify_one();
    }

    /// Ends the worker; pending commands are dropped.
    pub(crate) fn close(&self) {
        let wanted = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.wanted)
        };
        self.changed.notify_one();
        drop(wanted);
    }

    /// Takes up to `max` commands; `None` once closed.
    pub(crate) fn take(&self, max: usize) -> Option<Vec<Command>> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let next = || state.wanted.pop_first();
        Some(std::iter::from_fn(next).take(max).collect())
    }

    /// Waits until there may be a command.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
