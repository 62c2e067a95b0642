//! Writes metric families in one format.

use std::io::{self, Write};

use super::{
    format::Format,
    global_labels::GlobalLabels,
    histogram::{Bounds, HistogramValue},
    labels::EncodedLabels,
    protobuf, text,
};

/// The size from which the text formats write what is pending, in bytes.
const WRITE_SIZE: usize = 32 * 1024;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A gauge of 1 that has labels.
    Info,
}

/// The unit of a metric, which ends its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

/// What is said once about all series of a metric. The help has neither backslash nor line
/// feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor<'a> {
    /// Without the unit and what its type adds: `_total`, `_info`.
    pub(crate) name: &'a str,
    pub(crate) unit: Option<Unit>,
    pub(crate) kind: Kind,
    pub(crate) help: &'a str,
}

/// The value of a sample. An integer has no fraction in the text formats.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(u64),
    Float(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl Number {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// Metrics that can be written in any format.
pub(crate) trait Collector: Send {
    fn encode(&self, encoder: &mut Encoder<'_>) -> io::Result<()>;
}

/// Writes metrics in one format.
pub(crate) struct Encoder<'w> {
    format: Format,
    global: GlobalLabels,
    out: &'w mut dyn Write,
    /// Encoded, but not written: some samples, in protobuf all metrics of the family.
    pending: Vec<u8>,
    /// Buffers for protobuf, where a length comes before what has it.
    value: Vec<u8>,
    message: Vec<u8>,
}

impl<'w> Encoder<'w> {
    /// An encoder of series with `global` besides their own labels. Whoever encodes the labels
    /// of a series adds them, since the series may have a label of the same name.
    pub(crate) fn new(format: Format, global: GlobalLabels, out: &'w mut dyn Write) -> Self {
        Self {
            format,
            global,
            out,
            pending: Vec::new(),
            value: Vec::new(),
            message: Vec::new(),
        }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// The labels of every series.
    pub(crate) const fn global_labels(&self) -> &GlobalLabels {
        &self.global
    }

    /// Encodes the labels of a series without a target.
    pub(crate) fn labels(&self, own: &[(&str, &str)]) -> EncodedLabels {
        EncodedLabels::new(self.format, self.global.after(own))
    }

    /// Writes a family, whose series `write` adds.
    pub(crate) fn family(
        &mut self,
        descriptor: &Descriptor<'_>,
        write: impl FnOnce(&mut FamilyEncoder<'_, 'w>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Descriptor {
            name,
            unit,
            kind,
            help,
        } = *descriptor;
        let unit = unit.map_or("", Unit::as_str);
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        let separator = if unit.is_empty() { "" } else { "_" };
        let name = [name, separator, unit, suffix].concat();
        let base = name.strip_suffix(suffix).unwrap_or(&name);
        match self.format {
            Format::Text => {
                let kind = match kind {
                    Kind::Counter => "counter",
                    Kind::Gauge | Kind::Info => "gauge",
                    Kind::Histogram => "histogram",
                };
                self.push(&["# HELP ", &name, " ", help, "\n"]);
                self.push(&["# TYPE ", &name, " ", kind, "\n"]);
            }
            Format::OpenMetrics => {
                let kind = match kind {
                    Kind::Counter => "counter",
                    Kind::Gauge => "gauge",
                    Kind::Histogram => "histogram",
                    Kind::Info => "info",
                };
                self.push(&["# HELP ", base, " ", help, "\n"]);
                self.push(&["# TYPE ", base, " ", kind, "\n"]);
                if !unit.is_empty() {
                    self.push(&["# UNIT ", base, " ", unit, "\n"]);
                }
            }
            Format::Protobuf => {}
        }
        write(&mut FamilyEncoder {
            encoder: self,
            name: &name,
            kind,
        })?;
        if self.format == Format::Protobuf {
            let len = self.pending.len();
            let (before, after) = protobuf::family(&name, help, kind, unit, len);
            self.out.write_all(&before)?;
            self.write_pending()?;
            self.out.write_all(&after)?;
        }
        Ok(())
    }

    /// Writes the end of the exposition.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.format == Format::OpenMetrics {
            self.pending.extend_from_slice(b"# EOF\n");
        }
        self.write_pending()
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.pending.extend_from_slice(part.as_bytes());
        }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.out.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// Writes the series of one family.
pub(crate) struct FamilyEncoder<'e, 'w> {
    encoder: &'e mut Encoder<'w>,
    name: &'e str,
    kind: Kind,
}

impl FamilyEncoder<'_, '_> {
    /// Writes a series of a counter or gauge. Its labels are encoded in two parts, either of
    /// which may be empty.
    #[inline]
    pub(crate) fn sample(
        &mut self,
        labels: [&[u8]; 2],
        value: impl Into<Number>,
    ) -> io::Result<()> {
        let value = value.into();
        if self.encoder.format == Format::Protobuf {
            let Encoder {
                pending,
                value: message,
                ..
            } = &mut *self.encoder;
            protobuf::number(message, value.as_f64());
            protobuf::metric(pending, self.kind, labels, message);
            return Ok(());
        }
        text::sample(&mut self.encoder.pending, self.name, "", labels, value);
        self.write_if_large()
    }

    /// Writes an info: the labels of its subject, and its own.
    pub(crate) fn info(&mut self, labels: &[u8], own: &[u8]) -> io::Result<()> {
        self.sample(self.ordered(labels, own), Number::Int(1))
    }

    /// Writes a histogram.
    pub(crate) fn histogram(
        &mut self,
        labels: &[u8],
        bounds: &Bounds,
        value: &HistogramValue<'_>,
    ) -> io::Result<()> {
        match self.encoder.format {
            Format::Protobuf => {
                let Encoder {
                    pending,
                    value: message,
                    message: part,
                    ..
                } = &mut *self.encoder;
                protobuf::histogram(message, part, &bounds.seconds, value);
                protobuf::metric(pending, self.kind, [labels, &[]], message);
                return Ok(());
            }
            Format::Text => {
                self.buckets(labels, bounds, value.buckets);
                self.sum_and_count(labels, value);
            }
            Format::OpenMetrics => {
                self.sum_and_count(labels, value);
                self.buckets(labels, bounds, value.buckets);
            }
        }
        self.write_if_large()
    }

    fn sum_and_count(&mut self, labels: &[u8], value: &HistogramValue<'_>) {
        let pending = &mut self.encoder.pending;
        let labels = [labels, &[]];
        text::sample(pending, self.name, "_sum", labels, value.sum.into());
        text::sample(pending, self.name, "_count", labels, value.count.into());
    }

    fn buckets(&mut self, labels: &[u8], bounds: &Bounds, counts: &[u64]) {
        let mut cumulative = 0;
        for (bound, count) in bounds.labels.iter().zip(counts) {
            cumulative += count;
            let labels = self.ordered(labels, bound.as_bytes());
            let pending = &mut self.encoder.pending;
            text::sample(pending, self.name, "_bucket", labels, cumulative.into());
        }
    }

    /// Orders the labels of a subject and those that belong to the sample. The order is that of
    /// the Rust client library of Prometheus, and has no meaning.
    fn ordered<'a>(&self, labels: &'a [u8], own: &'a [u8]) -> [&'a [u8]; 2] {
        match self.encoder.format {
            Format::OpenMetrics => [own, labels],
            Format::Text | Format::Protobuf => [labels, own],
        }
    }

    fn write_if_large(&mut self) -> io::Result<()> {
        if self.encoder.pending.len() >= WRITE_SIZE {
            self.encoder.write_pending()?;
        }
        Ok(())
    }
}
