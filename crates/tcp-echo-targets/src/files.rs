//! All targets files and their changes.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use tcp_echo_prober::Networks;
use tracing::{info, warn};

use crate::{
    Defaults, FilePattern, Format, LoadError, Place, ReadError, Spec,
    file::{self, Fingerprint},
    list::List,
    parse::parse_placed,
    sources::Sources,
};

/// The entries of a file.
type Listed = Arc<[(Place, Arc<Spec>)]>;

/// Targets given directly, and files with their last states.
pub(crate) struct Files {
    given: Vec<Arc<Spec>>,
    groups: Vec<Group>,
    reader: Reader,
    sources: Sources,
}

/// Reads files.
struct Reader {
    defaults: Defaults,
    /// The networks that targets of files may be in, if restricted.
    allow: Option<Networks>,
}

/// A pattern, and the files that it matched last.
struct Group {
    pattern: FilePattern,
    files: Vec<File>,
    /// Whether it was scanned before.
    was_scanned: bool,
    /// Why its directory can't be read.
    error: Option<LoadError>,
}

struct File {
    path: PathBuf,
    seen: Seen,
    /// The result of the last read.
    read: Result<Listed, LoadError>,
    /// The entries in use: those of its last valid state.
    used: Option<Listed>,
}

/// The last state of a file.
#[derive(Clone, Debug)]
enum Seen {
    Nothing,
    Text { hash: u64, fingerprint: Fingerprint },
    Failed(String),
}

/// The result of a load.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All targets, in the order of the files.
    pub(crate) specs: Vec<Arc<Spec>>,
    /// The error of the files that are named by their paths. Their last valid targets are
    /// among `specs`.
    pub(crate) named: Option<LoadError>,
    /// Errors of the files that patterns match, one per file.
    pub(crate) matched: Vec<LoadError>,
}

impl Loaded {
    /// This, unless files that are named by their paths have an error.
    pub(crate) fn whole(mut self) -> Result<Self, LoadError> {
        self.named.take().map_or(Ok(self), Err)
    }
}

impl Seen {
    fn of(read: &Result<(String, Fingerprint), ReadError>) -> Self {
        match read {
            Ok((text, fingerprint)) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                Self::Text {
                    hash: hasher.finish(),
                    fingerprint: fingerprint.clone(),
                }
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }

    /// Whether the file at `path` surely has not changed.
    fn holds(&self, path: &Path) -> bool {
        matches!(self, Self::Text { fingerprint, .. } if fingerprint.holds(path))
    }

    /// Whether both have the same content.
    fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text { hash: a, .. }, Self::Text { hash: b, .. }) => a == b,
            (Self::Failed(a), Self::Failed(b)) => a == b,
            _ => false,
        }
    }
}

impl Files {
    pub(crate) fn new(
        given: Vec<Spec>,
        files: Vec<FilePattern>,
        defaults: Defaults,
        allow: Option<Networks>,
        sources: Sources,
    ) -> Self {
        Self {
            given: given.into_iter().map(Arc::new).collect(),
            groups: files.into_iter().map(Group::new).collect(),
            reader: Reader { defaults, allow },
            sources,
        }
    }

    /// Reads the files that may have changed, or all if forced. Returns all targets, or `None`
    /// if nothing has changed.
    pub(crate) fn load(&mut self, is_forced: bool) -> Option<Loaded> {
        let mut changed = false;
        for (n, list) in (0..self.groups.len()).zip(0..) {
            let (before, rest) = self.groups.split_at_mut(n);
            let Some(group) = rest.first_mut() else {
                break;
            };
            changed |= group.scan(before);
            for file in &mut group.files {
                changed |= file.read(&self.reader, list, is_forced);
            }
        }
        let loaded = (changed || is_forced).then(|| self.combine());
        self.show();
        loaded
    }

    /// Updates the status of each file.
    fn show(&self) {
        let files = self.groups.iter().flat_map(|group| &group.files);
        let files = files.map(|file| {
            let listed = file.read.as_ref().ok().map(|listed| listed.len());
            (file.path.display().to_string().into(), listed)
        });
        self.sources.files(files);
    }

    /// Combines all targets. Files that are named by their paths change together or not at
    /// all, and each of the others by itself.
    fn combine(&mut self) -> Loaded {
        let Self { given, groups, .. } = self;
        let mut list = List::default();
        let is_named = |group: &&Group| !group.pattern.is_glob();
        let named = groups
            .iter()
            .filter(is_named)
            .flat_map(|group| &group.files);
        let named = add_named(&mut list, given, named);
        let mut matched = Vec::new();
        let mut usable = Vec::new();
        for group in groups.iter().filter(|group| group.pattern.is_glob()) {
            matched.extend(group.error.clone());
            for file in &group.files {
                let added = match &file.read {
                    Ok(listed) => list.extend(&file.path, listed),
                    Err(error) => Err(error.clone()),
                };
                usable.push(added.is_ok());
                if let Err(error) = added {
                    matched.push(error);
                    list.extend_with_new(&file.path, file.used.as_deref().unwrap_or_default());
                }
            }
        }
        let specs = list.into_specs();
        let mut usable = usable.into_iter();
        for group in groups {
            for file in &mut group.files {
                let is_usable = if group.pattern.is_glob() {
                    usable.next().unwrap_or(false)
                } else {
                    named.is_none()
                };
                if is_usable && let Ok(listed) = &file.read {
                    file.used = Some(listed.clone());
                }
            }
        }
        Loaded {
            specs,
            named,
            matched,
        }
    }
}

/// Adds the given targets and those of these files: all new ones, or on an error all last valid
/// ones.
fn add_named<'a>(
    list: &mut List<'a>,
    given: &[Arc<Spec>],
    files: impl Iterator<Item = &'a File> + Clone,
) -> Option<LoadError> {
    let mut all = List::default();
    let mut added = given.iter().try_for_each(|spec| all.push_given(spec));
    for file in files.clone() {
        added = added.and_then(|()| match &file.read {
            Ok(listed) => all.extend(&file.path, listed),
            Err(error) => Err(error.clone()),
        });
    }
    let error = added.err();
    if error.is_some() {
        all = List::default();
        // They were valid together before.
        let _ = given.iter().try_for_each(|spec| all.push_given(spec));
        for file in files {
            all.extend_with_new(&file.path, file.used.as_deref().unwrap_or_default());
        }
    }
    *list = all;
    error
}

impl Group {
    const fn new(pattern: FilePattern) -> Self {
        Self {
            pattern,
            files: vec![],
            was_scanned: false,
            error: None,
        }
    }

    /// Scans for files that are not in other groups. Returns whether they have changed.
    fn scan(&mut self, others: &[Self]) -> bool {
        let found = match self.pattern.files() {
            Ok(found) => found,
            Err(error) => {
                let error = LoadError::read(self.pattern.path(), error.into());
                let text = error.to_string();
                let before = self.error.replace(error);
                return before.is_none_or(|before| before.to_string() != text);
            }
        };
        let others: HashSet<&Path> = others
            .iter()
            .flat_map(|other| other.files.iter().map(|file| &*file.path))
            .collect();
        let mut before: BTreeMap<_, _> = std::mem::take(&mut self.files)
            .into_iter()
            .map(|file| (file.path.clone(), file))
            .collect();
        let mut added = 0;
        for path in found {
            if others.contains(&*path) {
                continue;
            }
            let file = before.remove(&path).unwrap_or_else(|| {
                added += 1;
                File::new(path)
            });
            self.files.push(file);
        }
        let removed = before.len();
        self.log_changes(added, removed);
        self.was_scanned = true;
        self.error.take().is_some() || added + removed > 0
    }

    /// Logs which files a pattern matches, if that has changed.
    fn log_changes(&self, added: usize, removed: usize) {
        let (pattern, files) = (&self.pattern, self.files.len());
        if !pattern.is_glob() || self.was_scanned && added + removed == 0 {
            return;
        }
        if files == 0 {
            warn!(%pattern, removed, "no targets file matches the pattern");
        } else {
            info!(%pattern, files, added, removed, "targets files added or removed");
        }
    }
}

impl File {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            seen: Seen::Nothing,
            read: Ok(Arc::default()),
            used: None,
        }
    }

    /// Reads the file if it may have changed, or if forced. Returns whether it has changed. Its
    /// entries are of the list with this number.
    fn read(&mut self, reader: &Reader, list: u32, is_forced: bool) -> bool {
        if !is_forced && self.seen.holds(&self.path) {
            return false;
        }
        let read = file::read(&self.path);
        let now = Seen::of(&read);
        let same = now.is_same_as(&self.seen);
        self.seen = now;
        if !same {
            self.read = match read {
                Ok((text, _)) => reader.listed(&self.path, &text, list),
                Err(error) => Err(LoadError::read(&self.path, error)),
            };
        }
        !same
    }
}

impl Reader {
    fn listed(&self, path: &Path, text: &str, list: u32) -> Result<Listed, LoadError> {
        let placed = parse_placed(text, Format::of(path), &self.defaults);
        let placed = placed.map_err(|error| LoadError::parse(path, error))?;
        let bounded = placed.into_iter().map(|(place, spec)| {
            let spec = spec.of_list(list);
            let spec = match &self.allow {
                Some(networks) => spec.within(networks.clone()),
                None => spec,
            };
            (place, Arc::new(spec))
        });
        Ok(bounded.collect())
    }
}
