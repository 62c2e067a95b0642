//! Sets of targets, and the difference between two of them.

use std::sync::Arc;

use crate::Target;

/// Targets with unique names. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetSet {
    /// Sorted by name.
    targets: Arc<[Target]>,
}

/// Two targets have the same name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two targets are named {name:?}")]
pub struct DuplicateName {
    /// The name.
    pub name: Arc<str>,
}

/// The difference between a set and its replacement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Changes {
    /// Names of targets that are gone or have changed.
    pub removed: Vec<Arc<str>>,
    /// Targets that are new or have changed.
    pub added: Vec<Target>,
}

impl TargetSet {
    /// A set of these targets.
    ///
    /// # Errors
    /// [`DuplicateName`] if two have the same name.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Result<Self, DuplicateName> {
        let mut targets: Vec<Target> = targets.into_iter().collect();
        targets.sort_by(|one, other| one.name().cmp(other.name()));
        let mut pairs = targets.windows(2);
        let duplicate = pairs.find_map(|pair| match pair {
            [one, other] if one.name() == other.name() => Some(one.name().clone()),
            _ => None,
        });
        match duplicate {
            Some(name) => Err(DuplicateName { name }),
            None => Ok(Self {
                targets: targets.into(),
            }),
        }
    }

    /// Replaces this set by `new`, and returns the difference.
    pub fn apply(&mut self, new: Self) -> Changes {
        let old = std::mem::replace(self, new);
        let same = |set: &Self, target: &Target| set.get(target.name()) == Some(target);
        let removed = old.iter().filter(|target| !same(self, target));
        let added = self.iter().filter(|target| !same(&old, target));
        Changes {
            removed: removed.map(|target| target.name().clone()).collect(),
            added: added.cloned().collect(),
        }
    }

    /// Whether a target has this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Target> {
        let targets = &self.targets;
        let found = targets.binary_search_by(|target| target.name().as_ref().cmp(name));
        found.ok().and_then(|index| targets.get(index))
    }

    /// The targets, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter()
    }

    /// The number of targets.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tcp_echo_session::SessionConfig;

    use super::*;

    fn target(name: &str, port: u16) -> Target {
        let second = Duration::from_secs(1);
        let session = SessionConfig::new(second, second).unwrap();
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        Target::new(address, session).named(name)
    }

    #[test]
    fn changes_are_a_difference() {
        let mut set = TargetSet::new([target("a", 1), target("b", 2), target("c", 3)]).unwrap();
        let new = TargetSet::new([target("a", 1), target("b", 9), target("d", 4)]).unwrap();
        let changes = set.apply(new.clone());
        assert_eq!(changes.removed, ["b".into(), "c".into()]);
        assert_eq!(changes.added, [target("b", 9), target("d", 4)]);
        assert_eq!(set, new);
        assert_eq!(set.apply(new), Changes::default());
    }

    #[test]
    fn names_are_unique() {
        let error = TargetSet::new([target("a", 1), target("a", 2)]).unwrap_err();
        assert_eq!(error.to_string(), r#"two targets are named "a""#);
    }
}
