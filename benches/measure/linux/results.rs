//! Figures, and what they ought to be.

use serde_json::{Value, json};

use super::curve::Point;
use super::plot::Plot;

/// What a figure ought to be.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    pub(super) fn met(self, value: f64) -> bool {
        match self {
            Self::AtMost(max) => value <= max,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(max) => write!(f, "≤ {max}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

/// One figure.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) bound: Option<Bound>,
}

impl Row {
    pub(super) fn met(&self) -> Option<bool> {
        self.bound.map(|bound| bound.met(self.value))
    }

    /// As one writes it: few digits, and no more than mean something.
    pub(super) fn shown(&self) -> String {
        let digits = match self.value.abs() {
            value if value >= 1000.0 => 0,
            value if value >= 100.0 => 1,
            value if value >= 10.0 => 2,
            _ => 3,
        };
        let number = format!("{:.digits$}", self.value);
        format!("{number} {}", self.unit).trim_end().to_owned()
    }
}

/// Figures that one command gives.
#[derive(Default)]
pub(super) struct Group {
    pub(super) title: &'static str,
    /// What they mean.
    pub(super) text: &'static str,
    pub(super) command: String,
    /// Load averages before and after.
    pub(super) load: String,
    pub(super) rows: Vec<Row>,
}

impl Group {
    pub(super) fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str) {
        self.push(what.into(), value, unit, None);
    }

    pub(super) fn at_most(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        max: f64,
    ) {
        self.push(what.into(), value, unit, Some(Bound::AtMost(max)));
    }

    pub(super) fn at_least(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        least: f64,
    ) {
        self.push(what.into(), value, unit, Some(Bound::AtLeast(least)));
    }

    fn push(&mut self, what: String, value: f64, unit: &'static str, bound: Option<Bound>) {
        self.rows.push(Row {
            what,
            value,
            unit,
            bound,
        });
    }

    pub(super) fn print(&self) {
        for row in &self.rows {
            let verdict = match (row.bound, row.met()) {
                (Some(bound), Some(true)) => format!("{bound}: met"),
                (Some(bound), _) => format!("{bound}: MISSED"),
                (None, _) => String::new(),
            };
            println!("    {:58} {:>16}  {verdict}", row.what, row.shown());
        }
    }
}

/// A plot, and the file that it is written to.
pub(super) struct Picture {
    pub(super) file: &'static str,
    pub(super) plot: Plot,
}

/// One run of everything.
pub(super) struct Results {
    pub(super) machine: String,
    pub(super) groups: Vec<Group>,
    pub(super) curve: Vec<Point>,
    pub(super) pictures: Vec<Picture>,
}

impl Results {
    pub(super) fn new(machine: String) -> Self {
        Self {
            machine,
            groups: Vec::new(),
            curve: Vec::new(),
            pictures: Vec::new(),
        }
    }

    pub(super) fn missed(&self) -> impl Iterator<Item = String> {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        rows.filter(|row| row.met() == Some(false))
            .map(|row| format!("{} is {}", row.what, row.shown()))
    }

    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "what": row.what, "value": row.value, "unit": row.unit,
                "target": row.bound.map(|bound| bound.to_string()), "met": row.met(),
            })
        };
        let group = |group: &Group| {
            json!({
                "title": group.title, "command": group.command, "load": group.load,
                "rows": group.rows.iter().map(row).collect::<Vec<_>>(),
            })
        };
        json!({
            "machine": self.machine,
            "groups": self.groups.iter().map(group).collect::<Vec<_>>(),
            "curve": self.curve.iter().map(Point::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Group, Results};

    #[test]
    fn bounds_include_themselves() {
        assert!(Bound::AtMost(1.5).met(1.5));
        assert!(!Bound::AtMost(1.5).met(1.51));
        assert!(Bound::AtLeast(0.98).met(0.98));
        assert!(!Bound::AtLeast(0.98).met(0.97));
        assert!(!Bound::AtMost(1.0).met(f64::NAN));
    }

    #[test]
    fn what_is_missed_is_named() {
        let mut results = Results::new("a machine".to_owned());
        let mut group = Group::default();
        group.at_most("ratio", 1.6, "", 1.5);
        group.at_least("sent", 1.0, "", 0.999);
        group.add("RTT", 12345.6, "µs");
        results.groups.push(group);
        assert_eq!(results.missed().collect::<Vec<_>>(), ["ratio is 1.600"]);
        assert_eq!(results.groups[0].rows[2].shown(), "12346 µs");
        assert_eq!(results.json()["groups"][0]["rows"][1]["met"], true);
    }
}
