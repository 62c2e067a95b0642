//! What a worker is yet to do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::Target;

/// What is wanted of one name: to be probed as this target, anew, or not at all.
pub(crate) type Command = (Arc<str>, Option<Target>);

/// The commands for one worker, at most one for a name: a later one replaces one that was
/// not taken yet, so however often the list changes, no more than the list is kept.
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
    /// Gives all of them at once.
    pub(crate) fn give(&self, commands: impl IntoIterator<Item = Command>) {
        self.lock().wanted.extend(commands);
        self.changed.notify_one();
    }

    /// Has the worker end, whatever it has not taken.
    pub(crate) fn close(&self) {
        let wanted = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.wanted)
        };
        self.changed.notify_one();
        drop(wanted);
    }

    /// Takes so many; nothing where the worker is to end.
    pub(crate) fn take(&self, most: usize) -> Option<Vec<Command>> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let next = || state.wanted.pop_first();
        Some(std::iter::from_fn(next).take(most).collect())
    }

    /// Waits until there may be something to take.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
