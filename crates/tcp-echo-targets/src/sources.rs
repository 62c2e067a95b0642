//! How it goes with each source of targets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// How it goes with a source of targets: a file, or a name that stands for many.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The file, or `dns+` or `srv+` and the name, as written.
    pub source: Arc<str>,
    /// How many targets it stands for, on all shards; of a file, how many it lists.
    pub targets: usize,
    /// When it was last read or looked up and had something to say; `None` before the
    /// first time.
    pub last_success: Option<SystemTime>,
}

/// All sources; clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Arc<Mutex<Lists>>);

#[derive(Debug, Default)]
struct Lists {
    names: BTreeMap<Arc<str>, State>,
    files: BTreeMap<Arc<str>, State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    targets: usize,
    last_success: Option<SystemTime>,
}

impl Sources {
    /// All of them, files first.
    pub(crate) fn all(&self) -> Vec<SourceStatus> {
        let lists = self.lock();
        let all = lists.files.iter().chain(&lists.names);
        all.map(|(source, state)| SourceStatus {
            source: source.clone(),
            targets: state.targets,
            last_success: state.last_success,
        })
        .collect()
    }

    /// Forgets all names but these.
    pub(crate) fn keep_names(&self, wanted: &BTreeSet<Arc<str>>) {
        self.lock().names.retain(|name, _| wanted.contains(name));
    }

    /// Notes what a name stands for, and whether that was just learnt.
    pub(crate) fn name(&self, name: &Arc<str>, targets: usize, has_succeeded: bool) {
        note(&mut self.lock().names, name, Some(targets), has_succeeded);
    }

    /// Notes all files: how many targets each lists, or `None` where it could not be used
    /// just now. Forgets the others.
    pub(crate) fn files(&self, files: impl Iterator<Item = (Arc<str>, Option<usize>)>) {
        let mut lists = self.lock();
        let mut before = std::mem::take(&mut lists.files);
        for (file, targets) in files {
            if let Some(state) = before.remove(&file) {
                lists.files.insert(file.clone(), state);
            }
            note(&mut lists.files, &file, targets, targets.is_some());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(
    list: &mut BTreeMap<Arc<str>, State>,
    source: &Arc<str>,
    targets: Option<usize>,
    has_succeeded: bool,
) {
    let state = list.entry(source.clone()).or_default();
    if let Some(targets) = targets {
        state.targets = targets;
    }
    if has_succeeded {
        state.last_success = Some(SystemTime::now());
    }
}
