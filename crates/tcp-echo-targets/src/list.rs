//! Targets of several lists, with unique identities.

use std::{collections::HashMap, fmt::Write, path::Path, sync::Arc};

use crate::{LoadError, Origin, Place, Spec};

/// The place in a file, or `None` for targets given directly.
type At<'a> = Option<(&'a Path, Place)>;

/// Targets that differ in name or labels, so that no two share a series.
#[derive(Default)]
pub(crate) struct List<'a> {
    specs: Vec<Arc<Spec>>,
    /// By identity.
    firsts: HashMap<Arc<str>, (At<'a>, Arc<Spec>)>,
}

/// A repeated target.
struct Repeated<'a> {
    first: At<'a>,
}

impl<'a> List<'a> {
    /// Adds a target given directly.
    pub(crate) fn push_given(&mut self, spec: &Arc<Spec>) -> Result<(), LoadError> {
        let added = self.add(None, spec);
        added.map_err(|repeated| duplicate(spec, repeated.first, None))
    }

    /// Adds all targets of a file, or none on an error.
    pub(crate) fn extend(
        &mut self,
        path: &'a Path,
        listed: &[(Place, Arc<Spec>)],
    ) -> Result<(), LoadError> {
        let before = self.specs.len();
        for (place, spec) in listed {
            let at = Some((path, *place));
            if let Err(repeated) = self.add(at, spec) {
                for spec in self.specs.drain(before..) {
                    self.firsts.remove(spec.identity());
                }
                return Err(duplicate(spec, repeated.first, at));
            }
        }
        Ok(())
    }

    /// Adds the targets of a file, without those that exist already.
    pub(crate) fn extend_with_new(&mut self, path: &'a Path, listed: &[(Place, Arc<Spec>)]) {
        for (place, spec) in listed {
            // The existing one is kept.
            let _ = self.add(Some((path, *place)), spec);
        }
    }

    pub(crate) fn into_specs(self) -> Vec<Arc<Spec>> {
        self.specs
    }

    /// Adds a target. If its name is taken by one with other labels, its labels become part of
    /// its identity.
    fn add(&mut self, at: At<'a>, spec: &Arc<Spec>) -> Result<(), Repeated<'a>> {
        let mut spec = spec.clone();
        if let Some((first, other)) = self.firsts.get(spec.name()) {
            if other.name() == spec.name() && other.labels() == spec.labels() {
                return Err(Repeated { first: *first });
            }
            let identity: Arc<str> = with_labels(&spec).into();
            if let Some((first, _)) = self.firsts.get(&identity) {
                return Err(Repeated { first: *first });
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
        // Writing to a string can't fail.
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
