//! Labels, encoded once and copied into each series that has them.

use super::{format::Format, protobuf, text};

/// Labels in one format. Empty if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EncodedLabels(Vec<u8>);

impl EncodedLabels {
    pub(crate) fn new<'a>(
        format: Format,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut encoded = Self::default();
        encoded.append(format, labels);
        encoded
    }

    /// Appends labels, separated from each other but not from those before them.
    fn append<'a>(&mut self, format: Format, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let start = self.0.len();
        for (name, value) in labels {
            match format {
                Format::Text | Format::OpenMetrics => {
                    if self.0.len() > start {
                        self.0.push(b',');
                    }
                    text::label(&mut self.0, name, value);
                }
                Format::Protobuf => protobuf::label(&mut self.0, name, value),
            }
        }
    }

    /// Makes these the labels of a subject, followed by others.
    pub(crate) fn join(&mut self, format: Format, labels: &[u8], others: &Self) {
        self.0.clear();
        self.0.extend_from_slice(labels);
        if format != Format::Protobuf && !labels.is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(&others.0);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The labels of many targets in one format.
#[derive(Debug, Default)]
pub(crate) struct LabelTable {
    encoded: EncodedLabels,
    /// The end of each target's labels.
    ends: Vec<usize>,
}

impl LabelTable {
    pub(crate) fn new<'a, L>(format: Format, targets: impl ExactSizeIterator<Item = L>) -> Self
    where
        L: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let mut table = Self {
            encoded: EncodedLabels::default(),
            ends: Vec::with_capacity(targets.len()),
        };
        for labels in targets {
            table.encoded.append(format, labels);
            table.ends.push(table.encoded.0.len());
        }
        table
    }

    /// Returns the labels of each target.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let labels = &self.encoded.0[start..*end];
            start = *end;
            labels
        })
    }
}
