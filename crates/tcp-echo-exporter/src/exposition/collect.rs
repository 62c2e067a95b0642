//! The metrics that every target has.

use std::io;

use tcp_echo_episodes::{LENGTHS, Totals};
use tcp_echo_prober::Cause;

use crate::{
    encoding::{
        encoder::{Collector, Encoder, FamilyEncoder, Number},
        format::Format,
        histogram::{Bounds, HistogramValue, NativeValue},
        labels::{EncodedLabels, LabelTable},
    },
    metrics::{
        families::{self, ByLabel, Kind, families},
        layout::{Cell, Histogram, PARTS},
        native::{self, SparseHistogram},
        own_host::SharedHistogram,
        rtt_window::QUANTILES,
        series_set::SeriesSet,
        snapshot::{Snapshot, Snapshots, packed_ratio},
        targets::TargetMetrics,
    },
};

/// Writes all metrics of these targets.
#[derive(Debug)]
pub(crate) struct TargetCollector(pub(crate) Snapshots);

impl Collector for TargetCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let format = encoder.format();
        let global = encoder.global_labels();
        let labels = self.0.iter();
        let labels = labels.map(|target| {
            let own = target.labels();
            let own_and_peer = own.iter().chain(target.peer_labels());
            own_and_peer.chain(global.without(|name| own.has(name)))
        });
        let targets = Targets {
            snapshots: &self.0,
            labels: LabelTable::new(format, labels),
            format,
        };
        for family in families(self.0.layout.series, format) {
            let is_missing = match family.kind {
                Kind::EstimatedTimeout => !targets.any_is_adaptive(),
                Kind::Flows(_) => targets.with_flows().next().is_none(),
                Kind::Episodes | Kind::EpisodeLengths => self.0.episodes.is_none(),
                _ => false,
            };
            if is_missing {
                continue;
            }
            encoder.family(&family.descriptor(), |encoder| {
                targets.encode(encoder, &family.kind)
            })?;
        }
        Ok(())
    }
}

/// The targets, and their labels in one format.
struct Targets<'a> {
    snapshots: &'a Snapshots,
    labels: LabelTable,
    format: Format,
}

impl Targets<'_> {
    fn any_is_adaptive(&self) -> bool {
        let mut targets = self.snapshots.iter();
        targets.any(|target| target.get(Cell::EstimatedTimeout) > 0)
    }

    /// Returns each target whose flows are exported, with its labels.
    fn with_flows(&self) -> impl Iterator<Item = (Snapshot<'_>, &[u8])> {
        let are_all = self.snapshots.layout.series == SeriesSet::All;
        self.iter()
            .filter(move |(target, _)| are_all || target.flow_count() > 1)
    }

    /// Returns each target with its labels.
    fn iter(&self) -> impl Iterator<Item = (Snapshot<'_>, &[u8])> {
        self.snapshots.iter().zip(self.labels.iter())
    }

    fn encode(&self, encoder: &mut FamilyEncoder<'_, '_>, kind: &Kind) -> io::Result<()> {
        match kind {
            Kind::Counter(cell) | Kind::IntGauge(cell) => {
                for (target, labels) in self.iter() {
                    encoder.sample([labels, &[]], target.get(*cell))?;
                }
            }
            Kind::SecondsGauge(cell) => {
                for (target, labels) in self.iter() {
                    encoder.sample([labels, &[]], target.seconds(*cell))?;
                }
            }
            Kind::EstimatedTimeout => {
                let cell = Cell::EstimatedTimeout;
                for (target, labels) in self.iter().filter(|(target, _)| target.get(cell) > 0) {
                    encoder.sample([labels, &[]], target.seconds(cell))?;
                }
            }
            Kind::Gauge(value) => {
                for (target, labels) in self.iter() {
                    encoder.sample([labels, &[]], value(&target))?;
                }
            }
            Kind::CounterBy(by, from) => {
                if self.snapshots.layout.series >= *from {
                    self.encode_by_label(encoder, by, Number::Int)?;
                } else {
                    let len = (by.values)().len();
                    for (target, labels) in self.iter() {
                        let sum: u64 = target.numbers(by.base, len).iter().sum();
                        encoder.sample([labels, &[]], sum)?;
                    }
                }
            }
            Kind::RatioBy(by) => {
                self.encode_by_label(encoder, by, |packed| Number::Float(packed_ratio(packed)))?;
            }
            Kind::RttSum => {
                if let Some(rtt) = self.snapshots.layout.slot(Histogram::Rtt) {
                    for (target, labels) in self.iter() {
                        encoder.sample([labels, &[]], target.histogram(rtt).sum)?;
                    }
                }
            }
            Kind::RttQuantiles => self.encode_quantiles(encoder)?,
            Kind::Flows(value) => {
                for (target, labels) in self.with_flows() {
                    encoder.sample([labels, &[]], value(&target.flows()))?;
                }
            }
            Kind::Histogram(histogram) => self.encode_histogram(encoder, *histogram)?,
            Kind::Excess => self.encode_excess(encoder)?,
            Kind::Episodes => self.encode_episodes(encoder)?,
            Kind::EpisodeLengths => self.encode_episode_lengths(encoder)?,
            Kind::Info => {
                for (target, labels) in self.iter() {
                    let peer = target.peer().map(|peer| peer.to_string());
                    let address = peer.as_deref().unwrap_or(target.address());
                    let told = EncodedLabels::new(self.format, [("address", address)]);
                    encoder.info(labels, told.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    fn encode_by_label(
        &self,
        encoder: &mut FamilyEncoder<'_, '_>,
        by: &ByLabel,
        number: fn(u64) -> Number,
    ) -> io::Result<()> {
        let values = (by.values)().into_iter();
        let label = |value| EncodedLabels::new(self.format, [(by.label, value)]);
        let values: Vec<EncodedLabels> = values.map(label).collect();
        for (target, labels) in self.iter() {
            let numbers = target.numbers(by.base, values.len());
            for (value, own) in values.iter().zip(numbers) {
                encoder.sample([labels, value.as_bytes()], number(*own))?;
            }
        }
        Ok(())
    }

    fn encode_excess(&self, encoder: &mut FamilyEncoder<'_, '_>) -> io::Result<()> {
        let Some(slots) = self.snapshots.layout.excess() else {
            return Ok(());
        };
        let bounds = Bounds::new(self.format, slots[0].buckets.seconds());
        let parts = PARTS.map(|part| EncodedLabels::new(self.format, [("part", part)]));
        let mut joined = EncodedLabels::default();
        for (target, labels) in self.iter() {
            for (slot, part) in slots.iter().zip(&parts) {
                joined.join(self.format, labels, part);
                let counted = target.histogram(slot);
                let value = HistogramValue {
                    sum: counted.sum,
                    count: counted.count,
                    buckets: counted.buckets,
                    native: None,
                };
                encoder.histogram(joined.as_bytes(), &bounds, &value)?;
            }
        }
        Ok(())
    }

    /// Returns the episodes of each target, with its labels.
    fn episodes(&self) -> impl Iterator<Item = (Option<&Totals>, &[u8])> {
        let of_targets = self.snapshots.episodes.as_ref();
        self.iter().map(move |(target, labels)| {
            let totals = of_targets.and_then(|all| all.get(target.name()));
            (totals, labels)
        })
    }

    fn encode_episodes(&self, encoder: &mut FamilyEncoder<'_, '_>) -> io::Result<()> {
        if self.snapshots.layout.series < SeriesSet::All {
            for (totals, labels) in self.episodes() {
                encoder.sample([labels, &[]], totals.map_or(0, Totals::count))?;
            }
            return Ok(());
        }
        let label = |cause: &Cause| {
            let label = ("cause", cause.as_str());
            (*cause, EncodedLabels::new(self.format, [label]))
        };
        let causes: Vec<_> = Cause::ALL.iter().map(label).collect();
        for (totals, labels) in self.episodes() {
            for (cause, own) in &causes {
                let count = totals.map_or(0, |totals| totals.of(*cause));
                encoder.sample([labels, own.as_bytes()], count)?;
            }
        }
        Ok(())
    }

    fn encode_episode_lengths(&self, encoder: &mut FamilyEncoder<'_, '_>) -> io::Result<()> {
        let bounds = LENGTHS.map(f64::from).into_iter().chain([f64::INFINITY]);
        let bounds = Bounds::new(self.format, bounds);
        let none = Totals::default();
        for (totals, labels) in self.episodes() {
            let totals = totals.unwrap_or(&none);
            let value = HistogramValue {
                sum: totals.seconds(),
                count: totals.count(),
                buckets: totals.lengths(),
                native: None,
            };
            encoder.histogram(labels, &bounds, &value)?;
        }
        Ok(())
    }

    fn encode_quantiles(&self, encoder: &mut FamilyEncoder<'_, '_>) -> io::Result<()> {
        let own = QUANTILES.map(|(_, name)| EncodedLabels::new(self.format, [("quantile", name)]));
        for (target, labels) in self.iter() {
            for (own, value) in own.iter().zip(target.rtt_quantiles()) {
                encoder.sample([labels, own.as_bytes()], value)?;
            }
        }
        Ok(())
    }

    fn encode_histogram(
        &self,
        encoder: &mut FamilyEncoder<'_, '_>,
        histogram: Histogram,
    ) -> io::Result<()> {
        let Some(slot) = self.snapshots.layout.slot(histogram) else {
            return Ok(());
        };
        let is_native_alone = self.snapshots.layout.series == SeriesSet::Minimal;
        let bounds = Bounds::new(self.format, slot.buckets.seconds());
        let mut sparse = SparseHistogram::default();
        for (target, labels) in self.iter() {
            let counted = target.histogram(slot);
            let native = match (histogram, target.native()) {
                (Histogram::Rtt, Some(counts)) => {
                    let zero_count = sparse.fill(counts);
                    Some(NativeValue {
                        schema: native::SCHEMA,
                        zero_threshold: native::ZERO_THRESHOLD,
                        zero_count,
                        spans: &sparse.spans,
                        deltas: &sparse.deltas,
                    })
                }
                _ => None,
            };
            let value = HistogramValue {
                sum: counted.sum,
                count: counted.count,
                buckets: if is_native_alone {
                    &[]
                } else {
                    counted.buckets
                },
                native,
            };
            encoder.histogram(labels, &bounds, &value)?;
        }
        Ok(())
    }
}

/// Writes what the prober's own host adds to all targets together.
#[derive(Debug)]
pub(crate) struct OwnHostCollector(pub(crate) TargetMetrics);

impl Collector for OwnHostCollector {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()> {
        let Some(host) = self.0.own_host() else {
            return Ok(());
        };
        encode_shared(encoder, Histogram::SendLateness, &host.send_lateness)?;
        encode_shared(encoder, Histogram::HostDelay, &host.host_delay)
    }
}

fn encode_shared(
    encoder: &mut Encoder<'_>,
    histogram: Histogram,
    shared: &SharedHistogram,
) -> io::Result<()> {
    let Some(descriptor) = families::histogram(histogram) else {
        return Ok(());
    };
    let bounds = Bounds::new(encoder.format(), shared.buckets.seconds());
    let (sum, buckets) = shared.read();
    let value = HistogramValue {
        sum,
        count: buckets.iter().sum(),
        buckets: &buckets,
        native: None,
    };
    let labels = encoder.labels(&[]);
    encoder.family(&descriptor, |encoder| {
        encoder.histogram(labels.as_bytes(), &bounds, &value)
    })
}
