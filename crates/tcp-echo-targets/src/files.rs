//! All targets files together, and whether they changed.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use tcp_echo_prober::Networks;
use tracing::{info, warn};

use crate::{
    Defaults, FilePattern, Format, LoadError, ParseDuration, Place, ReadError, Spec,
    file::{self, Fingerprint},
    list::List,
    parse::parse_placed,
    sources::Sources,
};

/// What a file lists.
type Listed = Arc<[(Place, Arc<Spec>)]>;

/// Targets given without a file and those of files, and what was last seen of these.
pub(crate) struct Files {
    given: Vec<Arc<Spec>>,
    groups: Vec<Group>,
    reader: Reader,
    sources: Sources,
}

/// How files are read.
struct Reader {
    defaults: Defaults,
    duration: ParseDuration,
    /// Where what files list may lead to; anywhere without.
    allow: Option<Networks>,
}

/// A pattern, and the files that it stood for the last time.
struct Group {
    pattern: FilePattern,
    files: Vec<File>,
    /// Whether it was ever looked at.
    looked: bool,
    /// Why its directory can't be looked at.
    error: Option<LoadError>,
}

struct File {
    path: PathBuf,
    seen: Seen,
    /// What was made of it the last time.
    read: Result<Listed, LoadError>,
    /// What of it is in use: of its last state that could be used.
    used: Option<Listed>,
}

/// What was last seen of a file.
#[derive(Clone, Debug)]
enum Seen {
    Nothing,
    Text { hash: u64, fingerprint: Fingerprint },
    Failed(String),
}

/// What a load has come to.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All targets, in the order of the files.
    pub(crate) specs: Vec<Arc<Spec>>,
    /// Why the files that are named by their paths can't be used. What they listed before
    /// is among the targets.
    pub(crate) named: Option<LoadError>,
    /// The same of those that patterns match, each by itself.
    pub(crate) matched: Vec<LoadError>,
}

impl Loaded {
    /// It, where all files that are named by their paths can be used.
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

    /// Whether there is surely nothing new at `path`.
    fn holds(&self, path: &Path) -> bool {
        matches!(self, Self::Text { fingerprint, .. } if fingerprint.holds(path))
    }

    /// Whether both say the same to the one who reads them.
    fn says(&self, other: &Self) -> bool {
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
        duration: ParseDuration,
        allow: Option<Networks>,
        sources: Sources,
    ) -> Self {
        Self {
            given: given.into_iter().map(Arc::new).collect(),
            groups: files.into_iter().map(Group::new).collect(),
            reader: Reader {
                defaults,
                duration,
                allow,
            },
            sources,
        }
    }

    /// Reads the files where they may have changed, or in any case, and gives what
    /// they list and what was given. `None`: nothing has changed. What failed is told
    /// once, until it changes.
    pub(crate) fn load(&mut self, in_any_case: bool) -> Option<Loaded> {
        let mut changed = false;
        for n in 0..self.groups.len() {
            let (before, rest) = self.groups.split_at_mut(n);
            let Some(group) = rest.first_mut() else {
                break;
            };
            changed |= group.look(before);
            for file in &mut group.files {
                changed |= file.read(&self.reader, in_any_case);
            }
        }
        let loaded = (changed || in_any_case).then(|| self.put_together());
        self.show();
        loaded
    }

    /// Tells how it goes with each file.
    fn show(&self) {
        let files = self.groups.iter().flat_map(|group| &group.files);
        let files = files.map(|file| {
            let listed = file.read.as_ref().ok().map(|listed| listed.len());
            (file.path.display().to_string().into(), listed)
        });
        self.sources.files(files);
    }

    /// The files that are named by their paths change together or not at all; each of the
    /// others by itself.
    fn put_together(&mut self) -> Loaded {
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

/// Adds what was given and what these files list, all of it or what of it was used before.
fn add_named<'a>(
    list: &mut List<'a>,
    given: &[Arc<Spec>],
    files: impl Iterator<Item = &'a File> + Clone,
) -> Option<LoadError> {
    let mut all = List::default();
    let mut added = given.iter().try_for_each(|spec| all.give(spec));
    for file in files.clone() {
        added = added.and_then(|()| match &file.read {
            Ok(listed) => all.extend(&file.path, listed),
            Err(error) => Err(error.clone()),
        });
    }
    let error = added.err();
    if error.is_some() {
        all = List::default();
        // They were there together before.
        let _ = given.iter().try_for_each(|spec| all.give(spec));
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
            looked: false,
            error: None,
        }
    }

    /// Looks which files there are now, besides those of other groups, and tells whether
    /// they are others than before.
    fn look(&mut self, others: &[Self]) -> bool {
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
        let mut come = 0;
        for path in found {
            if others.contains(&*path) {
                continue;
            }
            let file = before.remove(&path).unwrap_or_else(|| {
                come += 1;
                File::new(path)
            });
            self.files.push(file);
        }
        let gone = before.len();
        self.tell(come, gone);
        self.looked = true;
        self.error.take().is_some() || come + gone > 0
    }

    /// Says which files a pattern stands for, where these are others than before.
    fn tell(&self, come: usize, gone: usize) {
        let (pattern, files) = (&self.pattern, self.files.len());
        if !pattern.is_glob() || self.looked && come + gone == 0 {
            return;
        }
        if files == 0 {
            warn!(%pattern, gone, "no targets file matches, so there are no targets of it");
        } else {
            info!(%pattern, files, come, gone, "targets files have come or gone");
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

    /// Reads it where it may have changed, or in any case, and tells whether it has.
    fn read(&mut self, reader: &Reader, in_any_case: bool) -> bool {
        if !in_any_case && self.seen.holds(&self.path) {
            return false;
        }
        let read = file::read(&self.path);
        let now = Seen::of(&read);
        let same = now.says(&self.seen);
        self.seen = now;
        if !same {
            self.read = match read {
                Ok((text, _)) => reader.listed(&self.path, &text),
                Err(error) => Err(LoadError::read(&self.path, error)),
            };
        }
        !same
    }
}

impl Reader {
    fn listed(&self, path: &Path, text: &str) -> Result<Listed, LoadError> {
        let placed = parse_placed(text, Format::of(path), &self.defaults, self.duration);
        let placed = placed.map_err(|error| LoadError::parse(path, error))?;
        let bounded = placed.into_iter().map(|(place, spec)| {
            let spec = match &self.allow {
                Some(networks) => spec.within(networks.clone()),
                None => spec,
            };
            (place, Arc::new(spec))
        });
        Ok(bounded.collect())
    }
}
