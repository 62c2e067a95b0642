//! The text formats are byte for byte those of Prometheus's client library for Rust, and protobuf
//! is as a protobuf library writes it.

use std::fmt;

use prometheus_client::{
    collector,
    encoding::{
        DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, NoLabelSet,
        prometheus_text, text,
    },
    metrics::MetricType,
    registry::{self, Registry},
};
use proptest::{collection::vec, prelude::*};
use prost::Message as _;

use super::{
    encoder::{Descriptor, Encoder, Kind, Number, Unit},
    format::Format,
    global_labels::GlobalLabels,
    histogram::{Bounds, HistogramValue, NativeValue},
    labels::{EncodedLabels, LabelTable},
};

#[path = "../../tests/common/messages.rs"]
mod messages;

use messages::{
    Bucket, BucketSpan, Histogram, LabelPair, Metric, MetricFamily, MetricType as Type,
};

type Labels = Vec<(String, String)>;

/// A family with the same value in each of its series.
#[derive(Clone, Debug)]
struct Family {
    unit: Option<Unit>,
    value: Value,
    /// The labels of each series.
    series: Vec<Labels>,
}

#[derive(Clone, Debug)]
enum Value {
    Counter(Result<u64, f64>),
    Gauge(Result<u64, f64>),
    /// One series for each of these values of the label `reason`.
    ByReason(Vec<String>, u64),
    Info(String),
    /// Bounds and counts, the sum, and the native histogram.
    Histogram(Vec<(f64, u64)>, f64, Option<Native>),
    /// One histogram for each of these values of the label `reason`.
    HistogramByReason(Vec<String>, Vec<(f64, u64)>, f64),
}

#[derive(Clone, Debug)]
struct Native {
    zero_count: u64,
    spans: Vec<(i32, u32)>,
    deltas: Vec<i64>,
}

const SCHEMA: i32 = 3;
const ZERO_THRESHOLD: f64 = 1e-6;

impl Value {
    const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) | Self::ByReason(..) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Info(_) => Kind::Info,
            Self::Histogram(..) | Self::HistogramByReason(..) => Kind::Histogram,
        }
    }
}

const NAME: &str = "tcp_echo_some";
const HELP: &str = "What \"some\" is.";

fn number(value: Result<u64, f64>) -> Number {
    value.map_or_else(Number::Float, Number::Int)
}

fn borrowed(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (&**name, &**value))
}

fn ours(family: &Family, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(format, GlobalLabels::default(), &mut out);
    let table = LabelTable::new(format, family.series.iter().map(borrowed));
    let descriptor = Descriptor {
        name: NAME,
        unit: family.unit,
        kind: family.value.kind(),
        help: HELP,
    };
    let written = encoder.family(&descriptor, |encoder| {
        for labels in table.iter() {
            match &family.value {
                Value::Counter(value) | Value::Gauge(value) => {
                    encoder.sample([labels, &[]], number(*value))?;
                }
                Value::ByReason(reasons, value) => {
                    for reason in reasons {
                        let reason = EncodedLabels::new(format, [("reason", &**reason)]);
                        encoder.sample([labels, reason.as_bytes()], *value)?;
                    }
                }
                Value::Info(told) => {
                    let told = EncodedLabels::new(format, [("address", &**told)]);
                    encoder.info(labels, told.as_bytes())?;
                }
                Value::Histogram(buckets, sum, native) => {
                    let (bounds, counts): (Vec<f64>, Vec<u64>) = buckets.iter().copied().unzip();
                    let value = HistogramValue {
                        sum: *sum,
                        count: counts.iter().sum(),
                        buckets: &counts,
                        native: native.as_ref().map(|native| NativeValue {
                            schema: SCHEMA,
                            zero_threshold: ZERO_THRESHOLD,
                            zero_count: native.zero_count,
                            spans: &native.spans,
                            deltas: &native.deltas,
                        }),
                    };
                    encoder.histogram(labels, &Bounds::new(format, bounds), &value)?;
                }
                Value::HistogramByReason(reasons, buckets, sum) => {
                    let (bounds, counts): (Vec<f64>, Vec<u64>) = buckets.iter().copied().unzip();
                    let bounds = Bounds::new(format, bounds);
                    let value = HistogramValue {
                        sum: *sum,
                        count: counts.iter().sum(),
                        buckets: &counts,
                        native: None,
                    };
                    let mut joined = EncodedLabels::default();
                    for reason in reasons {
                        let reason = EncodedLabels::new(format, [("reason", &**reason)]);
                        joined.join(format, labels, &reason);
                        encoder.histogram(joined.as_bytes(), &bounds, &value)?;
                    }
                }
            }
        }
        Ok(())
    });
    written.and_then(|()| encoder.finish()).unwrap();
    out
}

#[derive(Debug)]
struct Theirs(Family);

struct LabelSet<'a>(&'a Labels, Option<&'a str>);

impl EncodeLabelSet for LabelSet<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.0 {
            (&**name, &**value).encode(encoder.encode_label())?;
        }
        match self.1 {
            Some(reason) => ("reason", reason).encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}

impl collector::Collector for Theirs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let unit = self.0.unit.map(|unit| match unit {
            Unit::Seconds => registry::Unit::Seconds,
            Unit::Bytes => registry::Unit::Bytes,
        });
        let kind = match self.0.value.kind() {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut family = encoder.encode_descriptor(NAME, HELP, unit.as_ref(), kind)?;
        for labels in &self.0.series {
            let plain = LabelSet(labels, None);
            match &self.0.value {
                Value::Counter(Ok(value)) => family
                    .encode_family(&plain)?
                    .encode_counter::<NoLabelSet, _, u64>(value, None)?,
                Value::Counter(Err(value)) => family
                    .encode_family(&plain)?
                    .encode_counter::<NoLabelSet, _, u64>(value, None)?,
                Value::Gauge(Ok(value)) => family.encode_family(&plain)?.encode_gauge(value)?,
                Value::Gauge(Err(value)) => family.encode_family(&plain)?.encode_gauge(value)?,
                Value::ByReason(reasons, value) => {
                    for reason in reasons {
                        family
                            .encode_family(&LabelSet(labels, Some(reason)))?
                            .encode_counter::<NoLabelSet, _, u64>(value, None)?;
                    }
                }
                Value::Info(told) => family
                    .encode_family(&plain)?
                    .encode_info(&[("address", &**told)])?,
                Value::Histogram(buckets, sum, _) => {
                    let count = buckets.iter().map(|(_, count)| count).sum();
                    family
                        .encode_family(&plain)?
                        .encode_histogram::<NoLabelSet>(*sum, count, buckets, None)?;
                }
                Value::HistogramByReason(reasons, buckets, sum) => {
                    let count = buckets.iter().map(|(_, count)| count).sum();
                    for reason in reasons {
                        family
                            .encode_family(&LabelSet(labels, Some(reason)))?
                            .encode_histogram::<NoLabelSet>(*sum, count, buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn theirs(family: Family, format: Format) -> Vec<u8> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Theirs(family)));
    let mut out = String::new();
    match format {
        Format::Text => prometheus_text::encode(&mut out, &registry).unwrap(),
        Format::OpenMetrics => text::encode(&mut out, &registry).unwrap(),
        Format::Protobuf => unreachable!("the library is built without it"),
    }
    out.into_bytes()
}

/// The family as messages, encoded by a protobuf library.
fn by_prost(family: &Family) -> Vec<u8> {
    let name = match family.value.kind() {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram => "",
    };
    let unit = match family.unit {
        None => "",
        Some(Unit::Seconds) => "seconds",
        Some(Unit::Bytes) => "bytes",
    };
    let separator = if unit.is_empty() { "" } else { "_" };
    let message = MetricFamily {
        name: format!("{NAME}{separator}{unit}{name}"),
        help: HELP.to_owned(),
        r#type: match family.value.kind() {
            Kind::Counter => Type::Counter,
            Kind::Gauge | Kind::Info => Type::Gauge,
            Kind::Histogram => Type::Histogram,
        }
        .into(),
        metric: family
            .series
            .iter()
            .flat_map(|labels| metrics(labels, &family.value))
            .collect(),
        unit: unit.to_owned(),
    };
    message.encode_length_delimited_to_vec()
}

fn metrics(labels: &Labels, value: &Value) -> Vec<Metric> {
    let labelled = |more: Option<(&str, &str)>| Metric {
        label: borrowed(labels)
            .chain(more)
            .map(|(name, value)| LabelPair {
                name: name.to_owned(),
                value: value.to_owned(),
            })
            .collect(),
        ..Metric::default()
    };
    let number = |value: f64| Some(messages::Number { value });
    let mut metric = labelled(None);
    match value {
        Value::Counter(value) => metric.counter = number(self::number(*value).as_f64()),
        Value::Gauge(value) => metric.gauge = number(self::number(*value).as_f64()),
        Value::ByReason(reasons, value) => {
            let of = |reason: &String| Metric {
                counter: number(*value as f64),
                ..labelled(Some(("reason", reason)))
            };
            return reasons.iter().map(of).collect();
        }
        Value::Info(told) => {
            metric = labelled(Some(("address", told)));
            metric.gauge = number(1.0);
        }
        Value::HistogramByReason(reasons, buckets, sum) => {
            let of = |reason: &String| {
                let value = Value::Histogram(buckets.clone(), *sum, None);
                let [metric] = metrics(labels, &value).try_into().unwrap();
                Metric {
                    label: labelled(Some(("reason", reason))).label,
                    ..metric
                }
            };
            return reasons.iter().map(of).collect();
        }
        Value::Histogram(buckets, sum, native) => {
            let mut cumulative_count = 0;
            let mut histogram = Histogram {
                sample_count: buckets.iter().map(|(_, count)| count).sum(),
                sample_sum: *sum,
                bucket: Vec::new(),
                ..Histogram::default()
            };
            for (upper_bound, count) in buckets {
                cumulative_count += count;
                histogram.bucket.push(Bucket {
                    cumulative_count,
                    upper_bound: *upper_bound,
                });
            }
            if let Some(native) = native {
                histogram.schema = SCHEMA;
                histogram.zero_threshold = ZERO_THRESHOLD;
                histogram.zero_count = native.zero_count;
                let span = |(offset, length): &(i32, u32)| BucketSpan {
                    offset: *offset,
                    length: *length,
                };
                histogram.positive_span = native.spans.iter().map(span).collect();
                histogram.positive_delta.clone_from(&native.deltas);
            }
            metric.histogram = Some(histogram);
        }
    }
    vec![metric]
}

/// Any label value, often one that has to be escaped.
fn text_value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z\"\\\\\n={},é]{0,12}"]
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        proptest::num::f64::NORMAL,
        Just(0.0),
        (0_u64..10_000_000_000).prop_map(|nanos| nanos as f64 / 1e9),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![any::<u64>().prop_map(Ok), finite().prop_map(Err)];
    let bounds = vec((1_u64..1 << 40, 0_u64..1 << 50), 0..20);
    let histogram = (bounds, 0_u64..1 << 50).prop_map(|(mut buckets, beyond)| {
        buckets.sort_unstable();
        let bound = |(nanos, count): (u64, u64)| (nanos as f64 / 1e9, count);
        let buckets = buckets.into_iter().map(bound);
        buckets.chain([(f64::INFINITY, beyond)]).collect()
    });
    let spans = vec((any::<i32>(), any::<u32>()), 0..4);
    let native = (any::<u64>(), spans, vec(any::<i64>(), 0..9));
    let native = native.prop_map(|(zero_count, spans, deltas)| Native {
        zero_count,
        spans,
        deltas,
    });
    let reasons = || vec("[a-z]{1,8}", 0..4);
    let by_reason = (reasons(), histogram.clone(), finite());
    let by_reason = by_reason
        .prop_map(|(reasons, buckets, sum)| Value::HistogramByReason(reasons, buckets, sum));
    let histogram = (histogram, finite(), proptest::option::of(native));
    let histogram =
        histogram.prop_map(|(buckets, sum, native)| Value::Histogram(buckets, sum, native));
    prop_oneof![
        number().prop_map(Value::Counter),
        number().prop_map(Value::Gauge),
        (reasons(), any::<u64>()).prop_map(|(reasons, value)| Value::ByReason(reasons, value)),
        text_value().prop_map(Value::Info),
        histogram,
        by_reason,
    ]
}

fn family() -> impl Strategy<Value = Family> {
    let labels = || vec(("[a-z_][a-z0-9_]{0,8}", text_value()), 0..4);
    let unit = prop_oneof![
        Just(None),
        Just(Some(Unit::Seconds)),
        Just(Some(Unit::Bytes)),
    ];
    (unit, value(), vec(labels(), 0..5)).prop_map(|(unit, value, series)| Family {
        unit,
        value,
        series,
    })
}

proptest! {
    #[test]
    fn every_format_is_that_of_a_library(family in family()) {
        for format in [Format::Text, Format::OpenMetrics] {
            let ours = ours(&family, format);
            let theirs = theirs(family.clone(), format);
            prop_assert_eq!(
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(&theirs),
                "{:?}",
                format
            );
            prop_assert_eq!(ours, theirs);
        }
        prop_assert_eq!(ours(&family, Format::Protobuf), by_prost(&family));
    }
}
