//! Collectors of the metrics that every target has.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
    },
};

use crate::metrics::{
    families::{FAMILIES, Family, Kind},
    labels::LabelsWith,
    layout::Histogram,
    native::{self, SparseHistogram},
    snapshot::Snapshots,
};

/// Returns the collectors of all metrics of these targets.
pub(crate) fn target_collectors(snapshots: Snapshots) -> impl Iterator<Item = Box<dyn Collector>> {
    let snapshots = Arc::new(snapshots);
    FAMILIES.iter().map(move |family| {
        let snapshots = Arc::clone(&snapshots);
        Box::new(FamilyCollector { family, snapshots }) as Box<dyn Collector>
    })
}

/// Writes one metric of all targets.
#[derive(Debug)]
pub(crate) struct FamilyCollector {
    pub(crate) family: &'static Family,
    pub(crate) snapshots: Arc<Snapshots>,
}

impl Collector for FamilyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Family {
            name,
            unit,
            kind,
            help,
        } = self.family;
        let mut encoder = encoder.encode_descriptor(name, help, *unit, kind.metric_type())?;
        match kind {
            Kind::CounterByReason(base, reasons) => {
                self.encode_by_reason(&mut encoder, *base, &reasons())
            }
            Kind::Histogram(histogram) => self.encode_histogram(&mut encoder, *histogram),
            _ => self.encode_value(&mut encoder),
        }
    }
}

impl FamilyCollector {
    fn encode_value(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        for target in self.snapshots.iter() {
            let mut encoder = encoder.encode_family(target.labels())?;
            match self.family.kind {
                Kind::Counter(cell) => {
                    encoder.encode_counter::<NoLabelSet, _, u64>(&target.get(cell), None)?;
                }
                Kind::IntGauge(cell) => encoder.encode_gauge(&target.get(cell))?,
                Kind::SecondsGauge(cell) => encoder.encode_gauge(&target.seconds(cell))?,
                Kind::Gauge(value) => encoder.encode_gauge(&value(&target))?,
                Kind::Info => {
                    let peer = target.peer().map(|peer| peer.to_string());
                    let address = peer.as_deref().unwrap_or(target.address());
                    encoder.encode_info(&[("address", address)])?;
                }
                Kind::CounterByReason(..) | Kind::Histogram(_) => {}
            }
        }
        Ok(())
    }

    fn encode_by_reason(
        &self,
        encoder: &mut MetricEncoder<'_>,
        base: usize,
        reasons: &[&'static str],
    ) -> fmt::Result {
        for target in self.snapshots.iter() {
            let counts = target.counts_by_reason(base, reasons.len());
            for (reason, count) in reasons.iter().zip(counts) {
                encoder
                    .encode_family(&LabelsWith(target.labels(), "reason", reason))?
                    .encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        Ok(())
    }

    fn encode_histogram(
        &self,
        encoder: &mut MetricEncoder<'_>,
        histogram: Histogram,
    ) -> fmt::Result {
        let slot = self.snapshots.layout.slot(histogram);
        let bounds: Vec<f64> = slot.buckets.seconds().collect();
        let mut buckets = Vec::with_capacity(bounds.len());
        let mut sparse = SparseHistogram::default();
        for target in self.snapshots.iter() {
            let counted = target.histogram(histogram);
            buckets.clear();
            buckets.extend(bounds.iter().copied().zip(counted.buckets.iter().copied()));
            let mut encoder = encoder.encode_family(target.labels())?;
            let (sum, count) = (counted.sum, counted.count);
            if let (Histogram::Rtt, [zero_count, others @ ..]) = (histogram, target.native()) {
                sparse.fill(others);
                let native = NativeHistogram {
                    schema: native::SCHEMA,
                    zero_threshold: native::ZERO_THRESHOLD,
                    zero_count: *zero_count,
                    negative: NativeHistogramBuckets {
                        spans: &[],
                        deltas: &[],
                    },
                    positive: NativeHistogramBuckets {
                        spans: &sparse.spans,
                        deltas: &sparse.deltas,
                    },
                    created: None,
                };
                encoder.encode_histogram_with_native::<NoLabelSet>(
                    sum, count, &buckets, None, native,
                )?;
            } else {
                encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
        }
        Ok(())
    }
}
