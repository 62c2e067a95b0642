//! Targets of several lists, each with an identity of its own.

use std::{collections::HashMap, fmt::Write, path::Path, sync::Arc};

use crate::{LoadError, Origin, Place, Spec};

/// Where in a file, or `None` for what was given without.
type At<'a> = Option<(&'a Path, Place)>;

/// Targets that no two series share: they differ in name or labels.
#[derive(Default)]
pub(crate) struct List<'a> {
    specs: Vec<Arc<Spec>>,
    /// By identity.
    firsts: HashMap<Arc<str>, (At<'a>, Arc<Spec>)>,
}

/// The same target once more.
struct Again<'a> {
    first: At<'a>,
}

impl<'a> List<'a> {
    /// Adds what was given without a file.
    pub(crate) fn give(&mut self, spec: &Arc<Spec>) -> Result<(), LoadError> {
        let added = self.add(None, spec);
        added.map_err(|again| duplicate(spec, again.first, None))
    }

    /// Adds all that a file lists, or nothing.
    pub(crate) fn extend(
        &mut self,
        path: &'a Path,
        listed: &[(Place, Arc<Spec>)],
    ) -> Result<(), LoadError> {
        let before = self.specs.len();
        for (place, spec) in listed {
            let at = Some((path, *place));
            if let Err(again) = self.add(at, spec) {
                for spec in self.specs.drain(before..) {
                    self.firsts.remove(spec.identity());
                }
                return Err(duplicate(spec, again.first, at));
            }
        }
        Ok(())
    }

    /// Adds what a file lists, but for what is there already.
    pub(crate) fn extend_with_new(&mut self, path: &'a Path, listed: &[(Place, Arc<Spec>)]) {
        for (place, spec) in listed {
            // The other one is probed in its place.
            let _ = self.add(Some((path, *place)), spec);
        }
    }

    pub(crate) fn into_specs(self) -> Vec<Arc<Spec>> {
        self.specs
    }

    /// A target whose name is taken by one of other labels is told from it by them.
    fn add(&mut self, at: At<'a>, spec: &Arc<Spec>) -> Result<(), Again<'a>> {
        let mut spec = spec.clone();
        if let Some((first, other)) = self.firsts.get(spec.name()) {
            if other.name() == spec.name() && other.labels() == spec.labels() {
                return Err(Again { first: *first });
            }
            let identity: Arc<str> = with_labels(&spec).into();
            if let Some((first, _)) = self.firsts.get(&identity) {
                return Err(Again { first: *first });
            }
            spec = Arc::new(Spec::clone(&spec).identified(identity));
        }
        self.firsts
            .insert(spec.identity().clone(), (at, spec.clone()));
        self.specs.push(spec);
        Ok(())
    }
}

/// As Prometheus writes a series: `db:4000{rack="7"}`.
fn with_labels(spec: &Spec) -> String {
    let mut text = format!("{}{{", spec.name());
    for (n, (label, value)) in spec.labels().iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        // Nothing is refused by a text.
        let _ = write!(text, "{comma}{label}={value:?}");
    }
    text.push('}');
    text
}

fn duplicate(spec: &Spec, first: At<'_>, second: At<'_>) -> LoadError {
    LoadError::Duplicate {
        name: spec.name().clone(),
        first: origin(first),
        second: origin(second),
    }
}

fn origin(at: At<'_>) -> Origin {
    at.map_or(Origin::Given, |(path, place)| {
        Origin::File(path.into(), place)
    })
}
