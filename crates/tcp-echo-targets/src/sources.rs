//! The status of each source of targets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// The status of a source of targets: a file, or a `dns+` or `srv+` name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The file, or `dns+` or `srv+` and the name, as written.
    pub source: Arc<str>,
    /// The number of its targets, on all shards; of a file, the number of its entries.
    pub targets: usize,
    /// The time of the last successful read or look-up, if any.
    pub last_success: Option<SystemTime>,
}

/// All sources. Clones share everything.
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
    /// The status of all sources, files first.
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

    /// Removes all names but the wanted ones.
    #[cfg(feature = "discovery")]
    pub(crate) fn keep_names(&self, is_wanted: impl Fn(&Arc<str>) -> bool) {
        self.lock().names.retain(|name, _| is_wanted(name));
    }

    /// Sets the number of targets of a name, and whether a look-up has just succeeded.
    #[cfg(feature = "discovery")]
    pub(crate) fn name(&self, name: &Arc<str>, targets: usize, has_succeeded: bool) {
        note(&mut self.lock().names, name, Some(targets), has_succeeded);
    }

    /// Sets all files, each with its number of targets, or `None` on an error. Removes all
    /// others.
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
