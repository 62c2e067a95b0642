//! Prometheus's protobuf messages, field by field.
//!
//! The messages are those of `io/prometheus/client/metrics.proto`. As proto3 has it, a scalar
//! field that is 0 or empty is left out, and fields are in the order of their numbers, so the
//! bytes are those that a library would write.

use super::{encoder::Kind, histogram::HistogramValue};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;

/// Fields of `MetricFamily`.
const FAMILY_NAME: u8 = 1;
const FAMILY_HELP: u8 = 2;
const FAMILY_TYPE: u8 = 3;
const FAMILY_METRIC: u8 = 4;
const FAMILY_UNIT: u8 = 5;

/// The field `label` of `Metric`.
const METRIC_LABEL: u8 = 1;

/// The field of `Metric` that has a value of this kind.
const fn value_field(kind: Kind) -> u8 {
    match kind {
        Kind::Gauge | Kind::Info => 2,
        Kind::Counter => 3,
        Kind::Histogram => 7,
    }
}

/// The number of a kind in the enum `MetricType`. There is no type for an info.
const fn type_number(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        Kind::Gauge | Kind::Info => 1,
        Kind::Histogram => 4,
    }
}

/// Appends a label, as a field of `Metric`.
pub(super) fn label(out: &mut Vec<u8>, name: &str, value: &str) {
    let of = |text: &str| match text.len() {
        0 => 0,
        len => 1 + varint_len(len) + len,
    };
    key(out, METRIC_LABEL, BYTES);
    length(out, of(name) + of(value));
    string(out, 1, name);
    string(out, 2, value);
}

/// Appends one metric, as a field of `MetricFamily`: labels, and the encoded message of its
/// value.
pub(super) fn metric(out: &mut Vec<u8>, kind: Kind, labels: [&[u8]; 2], value: &[u8]) {
    let labels_len = labels[0].len() + labels[1].len();
    key(out, FAMILY_METRIC, BYTES);
    length(out, labels_len + 1 + varint_len(value.len()) + value.len());
    for labels in labels {
        out.extend_from_slice(labels);
    }
    bytes(out, value_field(kind), value);
}

/// Fills in the value of a counter or gauge.
pub(super) fn number(out: &mut Vec<u8>, value: f64) {
    out.clear();
    double(out, 1, value);
}

/// Fills in the value of a histogram. `message` is a buffer.
pub(super) fn histogram(
    out: &mut Vec<u8>,
    message: &mut Vec<u8>,
    bounds: &[f64],
    value: &HistogramValue<'_>,
) {
    out.clear();
    unsigned(out, 1, value.count);
    double(out, 2, value.sum);
    let mut cumulative = 0;
    for (bound, count) in bounds.iter().zip(value.buckets) {
        cumulative += count;
        message.clear();
        unsigned(message, 1, cumulative);
        double(message, 2, *bound);
        bytes(out, 3, message);
    }
    let Some(native) = &value.native else {
        return;
    };
    unsigned(out, 5, zigzag(native.schema.into()));
    double(out, 6, native.zero_threshold);
    unsigned(out, 7, native.zero_count);
    for (offset, length) in native.spans {
        message.clear();
        unsigned(message, 1, zigzag((*offset).into()));
        unsigned(message, 2, (*length).into());
        bytes(out, 12, message);
    }
    if !native.deltas.is_empty() {
        message.clear();
        for delta in native.deltas {
            varint(message, zigzag(*delta));
        }
        bytes(out, 13, message);
    }
}

/// Returns what comes before and after the metrics of a family. The family's length, which
/// delimits it from the next, includes `metrics_len`.
pub(super) fn family(
    name: &str,
    help: &str,
    kind: Kind,
    unit: &str,
    metrics_len: usize,
) -> (Vec<u8>, Vec<u8>) {
    let mut fields = Vec::new();
    string(&mut fields, FAMILY_NAME, name);
    string(&mut fields, FAMILY_HELP, help);
    unsigned(&mut fields, FAMILY_TYPE, type_number(kind));
    let mut after = Vec::new();
    string(&mut after, FAMILY_UNIT, unit);
    let mut before = Vec::new();
    length(&mut before, fields.len() + metrics_len + after.len());
    before.append(&mut fields);
    (before, after)
}

fn key(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    out.push(field << 3 | wire_type);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits are cut out")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 127")]
    out.push(value as u8);
}

fn length(out: &mut Vec<u8>, len: usize) {
    varint(out, len as u64);
}

fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// Appends a field of type `uint64`, or one that is encoded like it.
fn unsigned(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        key(out, field, VARINT);
        varint(out, value);
    }
}

fn double(out: &mut Vec<u8>, field: u8, value: f64) {
    if value != 0.0 {
        key(out, field, FIXED64);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a message, which is a field even if it is empty.
fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    key(out, field, BYTES);
    length(out, value.len());
    out.extend_from_slice(value);
}

fn string(out: &mut Vec<u8>, field: u8, value: &str) {
    if !value.is_empty() {
        bytes(out, field, value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_the_length_that_is_written_before_it() {
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 35, usize::MAX] {
            let mut out = Vec::new();
            length(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }

    #[test]
    fn small_negative_numbers_are_short() {
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
        assert_eq!([i64::MAX, i64::MIN].map(zigzag), [u64::MAX - 1, u64::MAX]);
    }
}
