//! The exposition formats.

use std::{
    fmt,
    io::{self, Write},
};

use prometheus_client::{
    collector::Collector,
    encoding::{prometheus_protobuf, prometheus_text, text},
    registry::Registry,
};

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus's text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0 as text.
    OpenMetrics,
    /// Prometheus's protobuf format; the only one with native histograms.
    Protobuf,
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Writes the metrics of `collectors`, one collector after the other. Only one is encoded
    /// in memory at a time; in protobuf that takes several times its encoded size.
    pub(crate) fn encode(
        self,
        collectors: impl IntoIterator<Item = Box<dyn Collector>>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut text = Text { out, error: None };
        for collector in collectors {
            let mut registry = Registry::default();
            registry.register_collector(collector);
            match self {
                Self::Text => text.check(|text| prometheus_text::encode(text, &registry))?,
                Self::OpenMetrics => text.check(|text| text::encode_registry(text, &registry))?,
                Self::Protobuf => {
                    let payload = prometheus_protobuf::encode_to_vec(&registry);
                    text.out.write_all(&payload.map_err(io::Error::other)?)?;
                }
            }
        }
        if self == Self::OpenMetrics {
            text.check(text::encode_eof)?;
        }
        Ok(())
    }
}

/// Adapts a writer to `fmt::Write`, and keeps the I/O error that `fmt::Error` can't carry.
struct Text<'a> {
    out: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl Text<'_> {
    fn check(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) -> io::Result<()> {
        write(self).map_err(|error| self.error.take().unwrap_or_else(|| io::Error::other(error)))
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.out.write_all(s.as_bytes()).map_err(|error| {
            self.error = Some(error);
            fmt::Error
        })
    }
}
