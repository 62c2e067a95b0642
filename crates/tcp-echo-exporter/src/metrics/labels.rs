//! The labels of a target's series.

use std::collections::{BTreeMap, HashSet};

/// Labels that the exporter sets itself.
const RESERVED: [&str; 10] = [
    "target",
    "reason",
    "le",
    "address",
    "quantile",
    "direction",
    "part",
    "cause",
    "peer_node",
    "peer_zone",
];

/// The names and values of a target's labels, `target` first, valid in every exposition format.
///
/// A target's own labels are input, so:
/// - in a name, every character but ASCII letters, digits and `_` becomes `_`, and a leading
///   digit is prefixed with `_`;
/// - names that begin with `__` are internal to Prometheus and are left out, and so are empty
///   values, which to Prometheus are no label;
/// - names that the exporter uses itself (`target`, `reason`, `le`, `address`, `quantile`, `direction`,
///   `part`, `cause`, `peer_node`, `peer_zone`) are prefixed with `exported_`, as Prometheus does it;
/// - of names that became equal, the first in the order of the original names is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels(Vec<(String, String)>);

impl Labels {
    pub(crate) fn new(target: &str, own: &BTreeMap<String, String>) -> Self {
        let mut labels = vec![("target".to_owned(), target.to_owned())];
        let mut seen = HashSet::from(["target".to_owned()]);
        for (name, value) in own {
            if name.is_empty() || name.starts_with("__") || value.is_empty() {
                continue;
            }
            let name = sanitize(name);
            if seen.insert(name.clone()) {
                labels.push((name, value.clone()));
            }
        }
        Self(labels)
    }

    /// Returns the names and values, `target` first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is a label of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(one, _)| one == name)
    }

    /// Returns the target's own labels, without `target`.
    #[cfg(any(test, feature = "page"))]
    pub(crate) fn custom(&self) -> &[(String, String)] {
        self.0.get(1..).unwrap_or_default()
    }
}

fn sanitize(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    if RESERVED.contains(&name.as_str()) {
        format!("exported_{name}")
    } else if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else if name.starts_with("__") {
        // The name became internal only by the replacement.
        format!("label{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::global_labels::{GlobalLabel, GlobalLabelError};

    fn names(own: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = own.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Labels::new("t", &own.collect()).custom().to_vec()
    }

    #[test]
    fn names_are_sanitized_and_do_not_collide_with_reserved_ones() {
        for (name, expected) in [
            ("dc", "dc"),
            ("data center", "data_center"),
            ("rack-7", "rack_7"),
            ("7th", "_7th"),
            ("é", "_"),
            ("--x", "label__x"),
            ("target", "exported_target"),
            ("reason", "exported_reason"),
            ("le", "exported_le"),
            ("address", "exported_address"),
            ("quantile", "exported_quantile"),
            ("direction", "exported_direction"),
            ("part", "exported_part"),
            ("cause", "exported_cause"),
            ("peer_node", "exported_peer_node"),
            ("peer_zone", "exported_peer_zone"),
            ("a\"b\n", "a_b_"),
        ] {
            assert_eq!(names(&[(name, "v")]), [(expected.into(), "v".into())]);
        }
    }

    #[test]
    fn no_global_label_has_a_reserved_name() {
        for name in RESERVED {
            let label = format!("{name}=v").parse::<GlobalLabel>();
            assert_eq!(label, Err(GlobalLabelError::Taken(name.to_owned())));
        }
    }

    #[test]
    fn labels_that_prometheus_drops_are_left_out() {
        assert_eq!(names(&[("__meta_x", "v"), ("", "v"), ("empty", "")]), []);
    }

    #[test]
    fn names_are_unique() {
        assert_eq!(
            names(&[("a-b", "first"), ("a.b", "second"), ("a_b", "third")]),
            [("a_b".into(), "first".into())]
        );
    }
}
