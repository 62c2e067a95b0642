//! The metrics of look-ups and of the sources of targets.

use std::{fmt, sync::Arc, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};
use tcp_echo_resolve::{LookupStats, LookupType, Outcome};

use super::scalar::unix_seconds;

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
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut lookups = encoder.encode_descriptor(
            "tcp_echo_dns_lookups",
            "Look-ups of names that have ended, by what was asked for and how they ended.",
            None,
            MetricType::Counter,
        )?;
        for of in LookupType::ALL {
            for outcome in Outcome::ALL {
                let labels = [("type", of.as_str()), ("outcome", outcome.as_str())];
                lookups
                    .encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, u64>(&self.0.lookups(of, outcome), None)?;
            }
        }
        let times = self.0.times();
        let count = times.buckets.iter().map(|(_, count)| count).sum();
        encoder
            .encode_descriptor(
                "tcp_echo_dns_lookup",
                "How long look-ups of names took.",
                Some(&Unit::Seconds),
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(times.sum, count, &times.buckets, None)
    }
}

/// Writes the status of each source of targets.
#[derive(Debug)]
pub(crate) struct SourceCollector(pub(crate) Vec<SourceStatus>);

impl Collector for SourceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut targets = encoder.encode_descriptor(
            "tcp_echo_discovery_targets",
            "Targets that a file lists or a name stands for.",
            None,
            MetricType::Gauge,
        )?;
        for status in &self.0 {
            targets
                .encode_family(&[("source", &*status.source)])?
                .encode_gauge(&u64::try_from(status.targets).unwrap_or(u64::MAX))?;
        }
        let mut successes = encoder.encode_descriptor(
            "tcp_echo_discovery_last_success_timestamp",
            "When a file was last read, or a name looked up, with success, in Unix seconds; \
             0 before the first time.",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for status in &self.0 {
            let at = status.last_success.map_or(0.0, unix_seconds);
            successes
                .encode_family(&[("source", &*status.source)])?
                .encode_gauge(&at)?;
        }
        Ok(())
    }
}
