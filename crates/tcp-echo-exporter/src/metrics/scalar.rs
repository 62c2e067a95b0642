//! Metrics that have no target.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// Writes metrics of one or few series.
pub(crate) struct ScalarEncoder<'e, 'd>(pub(crate) &'e mut DescriptorEncoder<'d>);

/// The name without `_total` and unit, the unit, and the help.
pub(crate) type Descriptor<'a> = (&'a str, Option<&'a Unit>, &'a str);

impl ScalarEncoder<'_, '_> {
    pub(crate) fn gauge(&mut self, (name, unit, help): Descriptor<'_>, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    pub(crate) fn float_gauge(
        &mut self,
        (name, unit, help): Descriptor<'_>,
        value: f64,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    pub(crate) fn counter(
        &mut self,
        (name, unit, help): Descriptor<'_>,
        value: u64,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    // Only the metrics of the process use it, which exist on Linux alone.
    #[cfg(target_os = "linux")]
    pub(crate) fn float_counter(
        &mut self,
        (name, unit, help): Descriptor<'_>,
        value: f64,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Writes a counter for each reason.
    pub(crate) fn counter_by_reason(
        &mut self,
        (name, unit, help): Descriptor<'_>,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (reason, value) in values {
            encoder
                .encode_family(&[("reason", reason)])?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Writes a gauge of 1 with labels. The encoder appends `_info` to its name.
    pub(crate) fn info(
        &mut self,
        (name, unit, help): Descriptor<'_>,
        labels: &impl EncodeLabelSet,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit, MetricType::Info)?
            .encode_info(labels)
    }
}

/// Converts a time to Unix seconds; 0 before 1970.
pub(crate) fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
