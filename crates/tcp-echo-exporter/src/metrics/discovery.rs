//! The metrics of look-ups and of the sources of targets.

use std::{io, sync::Arc, time::SystemTime};

use tcp_echo_resolve::{LookupStats, LookupType, Outcome};

use super::scalar::{ScalarEncoder, descriptor, unix_seconds};
use crate::encoding::{
    encoder::{Collector, Encoder, Kind, Number, Unit},
    histogram::{Bounds, HistogramValue},
};

/// The status of a source of targets, such as a file or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// The source's name: the value of the label `source`.
    pub source: Arc<str>,
    /// The number of targets from this source.
    pub targets: usize,
    /// When the source was last read or resolved successfully; `None` before the first time.
    pub last_success: Option<SystemTime>,
}

/// Writes the counts of look-ups.
#[derive(Debug)]
pub(crate) struct LookupCollector(pub(crate) Arc<LookupStats>);

impl Collector for LookupCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let kinds = LookupType::ALL.iter();
        let lookups = kinds.flat_map(|of| Outcome::ALL.iter().map(move |outcome| (*of, *outcome)));
        ScalarEncoder(encoder).by_labels(
            (
                "tcp_echo_dns_lookups",
                None,
                "Look-ups of names that have ended, by what was asked for and how they ended.",
            ),
            Kind::Counter,
            lookups.map(|(of, outcome)| {
                let labels = [("type", of.as_str()), ("outcome", outcome.as_str())];
                (labels, Number::Int(self.0.lookups(of, outcome)))
            }),
        )?;
        let times = self.0.times();
        let (bounds, buckets): (Vec<f64>, Vec<u64>) = times.buckets.into_iter().unzip();
        let bounds = Bounds::new(encoder.format(), bounds);
        let name = (
            "tcp_echo_dns_lookup",
            Some(Unit::Seconds),
            "How long look-ups of names took.",
        );
        let value = HistogramValue {
            sum: times.sum,
            count: buckets.iter().sum(),
            buckets: &buckets,
            native: None,
        };
        let labels = encoder.labels(&[]);
        encoder.family(&descriptor(name, Kind::Histogram), |family| {
            family.histogram(labels.as_bytes(), &bounds, &value)
        })
    }
}

/// Writes the status of each source of targets.
#[derive(Debug)]
pub(crate) struct SourceCollector(pub(crate) Vec<SourceStatus>);

impl Collector for SourceCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let by_source = |value: fn(&SourceStatus) -> Number| {
            let statuses = self.0.iter();
            statuses.map(move |status| ([("source", &*status.source)], value(status)))
        };
        let mut scalars = ScalarEncoder(encoder);
        scalars.by_labels(
            (
                "tcp_echo_discovery_targets",
                None,
                "Targets that a file lists or a name stands for.",
            ),
            Kind::Gauge,
            by_source(|status| Number::Int(status.targets.try_into().unwrap_or(u64::MAX))),
        )?;
        scalars.by_labels(
            (
                "tcp_echo_discovery_last_success_timestamp",
                Some(Unit::Seconds),
                "When a file was last read, or a name looked up, with success, in Unix seconds; \
                 0 before the first time.",
            ),
            Kind::Gauge,
            by_source(|status| Number::Float(status.last_success.map_or(0.0, unix_seconds))),
        )
    }
}
