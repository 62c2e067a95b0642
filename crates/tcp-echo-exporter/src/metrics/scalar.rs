//! Metrics that have no target.

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::encoding::{
    encoder::{Descriptor, Encoder, Kind, Number, Unit},
    labels::EncodedLabels,
};

/// Writes metrics of one or few series.
pub(crate) struct ScalarEncoder<'e, 'w>(pub(crate) &'e mut Encoder<'w>);

/// The name without `_total` and unit, the unit, and the help.
pub(crate) type Name<'a> = (&'a str, Option<Unit>, &'a str);

impl ScalarEncoder<'_, '_> {
    pub(crate) fn gauge(&mut self, name: Name<'_>, value: u64) -> io::Result<()> {
        self.sample(name, Kind::Gauge, Number::Int(value))
    }

    pub(crate) fn float_gauge(&mut self, name: Name<'_>, value: f64) -> io::Result<()> {
        self.sample(name, Kind::Gauge, Number::Float(value))
    }

    pub(crate) fn counter(&mut self, name: Name<'_>, value: u64) -> io::Result<()> {
        self.sample(name, Kind::Counter, Number::Int(value))
    }

    // Only the metrics of the process use it, which exist on Linux alone.
    #[cfg(target_os = "linux")]
    pub(crate) fn float_counter(&mut self, name: Name<'_>, value: f64) -> io::Result<()> {
        self.sample(name, Kind::Counter, Number::Float(value))
    }

    fn sample(&mut self, name: Name<'_>, kind: Kind, value: Number) -> io::Result<()> {
        let labels = self.0.labels(&[]);
        self.0.family(&descriptor(name, kind), |family| {
            family.sample([labels.as_bytes(), &[]], value)
        })
    }

    /// Writes a series for each set of labels.
    pub(crate) fn by_labels<'a, const N: usize>(
        &mut self,
        name: Name<'_>,
        kind: Kind,
        values: impl IntoIterator<Item = ([(&'static str, &'a str); N], Number)>,
    ) -> io::Result<()> {
        let (format, global) = (self.0.format(), self.0.global_labels().clone());
        self.0.family(&descriptor(name, kind), |family| {
            for (labels, value) in values {
                let labels = EncodedLabels::new(format, global.after(&labels));
                family.sample([labels.as_bytes(), &[]], value)?;
            }
            Ok(())
        })
    }

    /// Writes a counter for each reason.
    pub(crate) fn counter_by_reason(
        &mut self,
        name: Name<'_>,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> io::Result<()> {
        let values = values.into_iter();
        let values = values.map(|(reason, value)| ([("reason", reason)], Number::Int(value)));
        self.by_labels(name, Kind::Counter, values)
    }

    /// Writes a gauge of 1 with labels, whose name ends in `_info`.
    pub(crate) fn info(&mut self, name: Name<'_>, labels: &[(&str, &str)]) -> io::Result<()> {
        let labels = self.0.labels(labels);
        let descriptor = descriptor(name, Kind::Info);
        self.0
            .family(&descriptor, |family| family.info(&[], labels.as_bytes()))
    }
}

pub(crate) fn descriptor((name, unit, help): Name<'_>, kind: Kind) -> Descriptor<'_> {
    Descriptor {
        name,
        unit,
        kind,
        help,
    }
}

/// Converts a time to Unix seconds; 0 before 1970.
pub(crate) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
