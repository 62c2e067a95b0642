//! All targets files together, and whether they changed.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use tcp_echo_prober::Networks;

use crate::{
    Defaults, Format, LoadError, Origin, ParseDuration, ReadError, Spec,
    file::{self, Mark},
    parse::parse_placed,
    sources::Sources,
};

/// Targets given without a file and those of files, and what was last seen of these.
pub(crate) struct Files {
    given: Vec<Spec>,
    seen: Vec<(PathBuf, Seen)>,
    /// How many targets each of these lists; `None` where it can't be used.
    listed: Vec<Option<usize>>,
    defaults: Defaults,
    duration: ParseDuration,
    /// Where what files list may lead to; anywhere without.
    allow: Option<Networks>,
    sources: Sources,
}

/// What was last seen of a file.
#[derive(Clone, Debug)]
enum Seen {
    Nothing,
    Text { hash: u64, mark: Mark },
    Failed(String),
}

impl Seen {
    fn of(read: &Result<(String, Mark), ReadError>) -> Self {
        match read {
            Ok((text, mark)) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                Self::Text {
                    hash: hasher.finish(),
                    mark: mark.clone(),
                }
            }
            Err(error) => Self::Failed(error.to_string()),
        }
    }

    /// Whether there is surely nothing new at `path`.
    fn holds(&self, path: &Path) -> bool {
        matches!(self, Self::Text { mark, .. } if mark.holds(path))
    }

    /// Whether both say the same to whoever reads them.
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
        files: Vec<PathBuf>,
        defaults: Defaults,
        duration: ParseDuration,
        allow: Option<Networks>,
        sources: Sources,
    ) -> Self {
        let unseen = |path| (path, Seen::Nothing);
        Self {
            given,
            listed: vec![None; files.len()],
            seen: files.into_iter().map(unseen).collect(),
            defaults,
            duration,
            allow,
            sources,
        }
    }

    /// Reads the files where they may have changed, or in any case, and gives what
    /// they list and what was given. `None`: nothing has changed. What failed is told
    /// once, until it changes.
    pub(crate) fn load(&mut self, in_any_case: bool) -> Option<Result<Vec<Spec>, LoadError>> {
        let holds = |(path, seen): &(PathBuf, Seen)| seen.holds(path);
        if !in_any_case && self.seen.iter().all(holds) {
            self.show();
            return None;
        }
        let mut texts = Vec::with_capacity(self.seen.len());
        let mut same = true;
        for (path, seen) in &mut self.seen {
            let read = file::read(path);
            let now = Seen::of(&read);
            same &= now.says(seen);
            *seen = now;
            texts.push(read.map_err(|error| LoadError::read(path, error)));
        }
        if same && !in_any_case {
            self.show();
            return None;
        }
        let specs = self.specs(texts);
        self.show();
        Some(specs)
    }

    /// Tells how it goes with each file.
    fn show(&self) {
        for ((path, _), listed) in self.seen.iter().zip(&self.listed) {
            let source = path.display().to_string().into();
            self.sources.file(&source, *listed, listed.is_some());
        }
    }

    fn specs(
        &mut self,
        texts: Vec<Result<(String, Mark), LoadError>>,
    ) -> Result<Vec<Spec>, LoadError> {
        let mut list = List::default();
        for spec in &self.given {
            list.push(None, spec.clone())?;
        }
        let parsed = self.seen.iter().zip(texts).map(|((path, _), text)| {
            let (text, _) = text?;
            let placed = parse_placed(&text, Format::of(path), &self.defaults, self.duration);
            placed.map_err(|error| LoadError::parse(path, error))
        });
        // All of them, also where one can't be used: each has a state of its own.
        let parsed: Vec<_> = parsed.collect();
        let listed = parsed
            .iter()
            .map(|parsed| parsed.as_ref().ok().map(Vec::len));
        self.listed = listed.collect();
        for ((path, _), placed) in self.seen.iter().zip(parsed) {
            for (place, spec) in placed? {
                let spec = match &self.allow {
                    Some(networks) => spec.within(networks.clone()),
                    None => spec,
                };
                list.push(Some((path, place)), spec)?;
            }
        }
        Ok(list.specs)
    }
}

/// Where in a file, or `None` for what was given without.
type At<'a> = Option<(&'a Path, crate::Place)>;

/// Targets of names of their own.
#[derive(Default)]
struct List<'a> {
    specs: Vec<Spec>,
    names: HashMap<Arc<str>, At<'a>>,
}

impl<'a> List<'a> {
    fn push(&mut self, at: At<'a>, spec: Spec) -> Result<(), LoadError> {
        if let Some(first) = self.names.insert(spec.name().clone(), at) {
            return Err(LoadError::Duplicate {
                name: spec.name().clone(),
                first: origin(first),
                second: origin(at),
            });
        }
        self.specs.push(spec);
        Ok(())
    }
}

fn origin(at: At<'_>) -> Origin {
    at.map_or(Origin::Given, |(path, place)| {
        Origin::File(path.into(), place)
    })
}
