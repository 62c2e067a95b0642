//! Histograms to be encoded.

use super::{format::Format, labels::EncodedLabels, text};

/// The upper bounds of a histogram's classic buckets, the last of them infinite.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(super) seconds: Vec<f64>,
    /// The label `le` of each bucket.
    pub(super) labels: Vec<EncodedLabels>,
}

impl Bounds {
    pub(crate) fn new(format: Format, bounds: impl IntoIterator<Item = f64>) -> Self {
        let seconds: Vec<f64> = bounds.into_iter().collect();
        let label = |bound: &f64| {
            let bound = match format {
                Format::Text => text::go_bound(*bound),
                Format::OpenMetrics => text::openmetrics_bound(*bound),
                // There a bound is a number.
                Format::Protobuf => return EncodedLabels::default(),
            };
            EncodedLabels::new(format, [("le", &*bound)])
        };
        let labels = seconds.iter().map(label).collect();
        Self { seconds, labels }
    }
}

/// One histogram.
#[derive(Debug)]
pub(crate) struct HistogramValue<'a> {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// The count of each classic bucket, not cumulative; none in a native histogram alone.
    pub(crate) buckets: &'a [u64],
    /// The same observations as a native histogram. Only protobuf has it.
    pub(crate) native: Option<NativeValue<'a>>,
}

/// A native histogram of positive numbers.
#[derive(Debug)]
pub(crate) struct NativeValue<'a> {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    /// The runs of buckets: the gap to the previous run (for the first: the index), and the
    /// length.
    pub(crate) spans: &'a [(i32, u32)],
    /// The first bucket's count, then the difference to the previous bucket.
    pub(crate) deltas: &'a [i64],
}
